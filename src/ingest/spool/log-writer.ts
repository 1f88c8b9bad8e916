import { createBackoff, sleep } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { SegmentLog } from '../../log/index.js';
import type { Logger } from '../../runtime/index.js';
import { messageOf } from '../errors.js';
import type { SequenceLog } from './sequence-log.js';
import { encodeEventRecord } from './event-record.js';
import { markAfter } from './stored-event.js';
import type { Mark, StoredEvent } from './stored-event.js';

export interface LogWriterOptions {
  readonly log: Pick<SegmentLog, 'append'>;
  /** What is to be written: everything behind {@link LogWriter.written}. */
  readonly window: SequenceLog<StoredEvent>;
  /** Bytes of one write, about. */
  readonly writeBytes: number;
  /** What is in the log already. */
  readonly written: Mark;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onWritten: () => void;
  /** Told where a file of the log ends. */
  readonly onSegmentEnd: (mark: Mark) => void;
}

/** Brings events to the disk: what came while one write was under way goes out in the next. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #closing = new AbortController();
  #written: Mark;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#written = options.written;
  }

  /** Everything up to here is durable. */
  get written(): Mark {
    return this.#written;
  }

  /** There is something new in the window. */
  wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  /** Writes what is left, without another attempt where the disk does not take it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, clock, logger } = this.#options;
    const { signal } = this.#closing;
    const backoff = createBackoff();
    for (;;) {
      // What is appended in this turn goes out together.
      await Promise.resolve();
      const events = this.#nextEvents();
      if (events.length === 0) break;
      try {
        const ended = await log.append(events.map(encodeEventRecord));
        if (ended !== undefined) this.#options.onSegmentEnd(this.#written);
        this.#written = events.reduce(markAfter, this.#written);
        this.#options.onWritten();
        backoff.reset();
      } catch (error) {
        const delayMs = backoff.nextMs();
        logger.error({ error: messageOf(error), events: events.length, delayMs }, 'Cannot write the spool');
        if (signal.aborted) break;
        await sleep(delayMs, signal, clock);
      }
    }
    // In the same turn as the last look at the window: nothing is overlooked.
    this.#isRunning = false;
  }

  #nextEvents(): readonly StoredEvent[] {
    const { window, writeBytes } = this.#options;
    const events: StoredEvent[] = [];
    let bytes = 0;
    for (let at = this.#written.through + 1; bytes < writeBytes; at += 1) {
      const event = window.at(at);
      if (event === undefined) break;
      events.push(event);
      bytes += event.bytes;
    }
    return events;
  }
}
