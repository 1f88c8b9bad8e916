import type { ReceivedEvent } from '../sources/source.js';

/** An event that a sink can never take, and why. */
export interface DeadLetter {
  readonly event: ReceivedEvent;
  /** The sink's name. */
  readonly sink: string;
  /** What would have been written. */
  readonly rawData: Uint8Array;
  /** How often the other side was asked; 0 where the event cannot even be sent. */
  readonly attemptsMade: number;
  readonly errorCode: string;
  /** For people; holds no secret. */
  readonly errorMessage: string;
  /** Milliseconds since 1970 when it was given up. */
  readonly endedAt: number;
}

/** Where the events go that a sink can never take. */
export interface DeadLetters {
  /**
   * Resolves when all of `letters` are durable, and only then: their events count as acknowledged after it.
   * @throws whatever kept it from writing; none of `letters` counts then, and they may be written again.
   */
  write(letters: readonly DeadLetter[]): Promise<void>;
}

/**
 * The line for `letter`: the error record that Firehose leaves in S3, with the event's id and type, its source
 * and the sink beside it.
 *
 * Source: "Handling errors for data format conversion", Amazon Data Firehose Developer Guide, in the edition that says
 * `lastErrorCode`; others of its pages say `ErrorCode` or `errorCode`.
 */
export function formatDeadLetter(letter: DeadLetter, source: string): string {
  const { event, rawData } = letter;
  return `${JSON.stringify({
    attemptsMade: letter.attemptsMade,
    arrivalTimestamp: event.receivedAt,
    lastErrorCode: letter.errorCode,
    lastErrorMessage: letter.errorMessage,
    attemptEndingTimestamp: letter.endedAt,
    rawData: Buffer.from(rawData.buffer, rawData.byteOffset, rawData.byteLength).toString('base64'),
    eventId: event.id,
    eventType: event.type,
    source,
    sink: letter.sink,
  })}\n`;
}
