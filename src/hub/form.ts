import { createEventParser, formatEvent } from '../protocol/index.js';
import type { ParsedEvent } from '../protocol/index.js';
import type { Channel } from './channel.js';
import type { FrameForm } from './feed.js';
import type { EncodedFrame } from './frame.js';

/** An event as a page of history and the envelope show it. */
export interface EventRecord {
  /** The id that subscribers of the one channel see. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
  /** Milliseconds, where the publisher gave any. */
  readonly retry?: number;
}

/** How the events of a subscription are written. */
export interface StreamForm {
  /** Whether data is wrapped in JSON that names channel and id. */
  readonly isEnvelope: boolean;
  /** Whether `tidegate.*` events are sent (PROTOCOL.md, 4.3) or left out (4.10). */
  readonly hasControlEvents: boolean;
}

/** The frame without its id: the cursor at the end of the flush stands for all. */
export const bareForm: FrameForm = (_channel, frame) => frame.bytes.subarray(frame.bodyStart, frame.bodyEnd);

/** The frame with channel, id, event type and data as JSON in its data (`?envelope=json`). */
export const envelopeForm: FrameForm = (channel, frame) => {
  if (channel.isEndFrame(frame.offset)) return bareForm(channel, frame);
  const { id, event, data, ...retry } = readFrame(frame);
  const envelope = JSON.stringify({ channel: channel.name, id, event, data });
  return Buffer.from(formatEvent({ event: event === 'message' ? '' : event, data: envelope, ...retry }));
};

const NOTHING = new Uint8Array(0);

/** `form` without the frame that ends a channel. */
export function withoutEnd(form: FrameForm): FrameForm {
  return (channel, frame) => (channel.isEndFrame(frame.offset) ? NOTHING : form(channel, frame));
}

/** Reads a frame back; its own encoder wrote it, so it holds exactly one event before any cursor block. */
export function readFrame(frame: Pick<EncodedFrame, 'bytes'>): EventRecord {
  let event: ParsedEvent | undefined;
  let retry: number | undefined;
  const parser = createEventParser({
    onEvent: (parsed) => (event ??= parsed),
    onRetry: (retryMs) => (retry = retryMs),
    maxEventBytes: Infinity,
  });
  parser.push(frame.bytes);
  const record = { id: event?.lastEventId ?? '', event: event?.type ?? 'message', data: event?.data ?? '' };
  return retry === undefined ? record : { ...record, retry };
}

/** Offset of the first event kept that a publisher gave the id `id`. */
export function findOwnId(channel: Channel, id: string): number | undefined {
  const idLine = Buffer.from(`id: ${id}\n`);
  for (const frame of channel.history.framesAfter(0)) {
    if (frame.bodyStart === idLine.length && idLine.equals(frame.bytes.subarray(0, frame.bodyStart)))
      return frame.offset;
  }
  return undefined;
}
