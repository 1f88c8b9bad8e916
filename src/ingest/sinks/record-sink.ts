import { setMaxListeners } from 'node:events';
import { createBackoff, sleep, systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import type { DeadLetter, DeadLetters } from './dead-letters.js';
import { IngestError } from '../errors.js';
import { formatRecord } from '../format.js';
import type { Format } from '../format.js';
import { Notifier } from '../notifier.js';
import type { SpooledEvent } from '../spool/spool.js';
import { isForbidden, toAwsFailure, toStartError } from './aws-failure.js';
import type { AwsFailure, FailureKind } from './aws-failure.js';
import { keepDeadLetters } from './keep-dead-letters.js';
import type { PartitionKey } from './partition-key.js';
import type { AwsCredentials, RecordApi } from './record-api.js';
import { attempt, withTimeout } from './record-attempt.js';
import type { Outcome, RefusedRecord } from './record-attempt.js';
import { RecordQueue } from './record-queue.js';
import type { OutgoingRecord, RecordOrder, RequestLimits } from './record-queue.js';
import type { BatchLimits, Sink, SinkContext, WriteResult } from './sink.js';

/** What both services are given. */
export interface AwsSinkOptions {
  readonly stream: string;
  /** Takes what the service never will: a record that is too large or invalid. */
  readonly deadLetters: DeadLetters;
  /** Unique in its pipeline (default: the service's name). */
  readonly name?: string;
  /** Default: as the AWS SDK finds it. */
  readonly region?: string;
  /** Another endpoint than that of the region. */
  readonly endpoint?: string;
  /** Default: as the AWS SDK finds them. Never logged. */
  readonly credentials?: AwsCredentials;
  /** Default `ndjson`: a line feed ends each record. */
  readonly format?: Format;
  /** Requests under way at once (default 4). */
  readonly requests?: number;
  /** Milliseconds for a request (default 10,000). */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

interface RecordSinkOptions {
  readonly name: string;
  readonly stream: string;
  readonly format: Format;
  readonly order: RecordOrder;
  readonly keyOf: PartitionKey;
  /** Bytes of the largest record, with its key. */
  readonly recordBytesMax: number;
  readonly request: RequestLimits;
  readonly requests: number;
  readonly timeoutMs: number;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly connect: () => Promise<RecordApi>;
}

export const REQUESTS = 4;
const TIMEOUT_MS = 10_000;
/** AWS counts what a shard takes by the second, so that a wait far below one is worth it. */
const BACKOFF = { baseMs: 200, maxMs: 30_000 };
/** Milliseconds between two log lines about retries for the same reason. */
const RETRY_LOG_MS = 10_000;

/** The options that the services share, with their defaults. */
export function sharedOptions({
  format,
  requests,
  timeoutMs,
  clock,
  ...options
}: AwsSinkOptions): Pick<RecordSinkOptions, 'stream' | 'deadLetters' | 'format' | 'requests' | 'timeoutMs' | 'clock'> {
  return {
    stream: options.stream,
    deadLetters: options.deadLetters,
    format: format ?? 'ndjson',
    requests: requests ?? REQUESTS,
    timeoutMs: timeoutMs ?? TIMEOUT_MS,
    clock: clock ?? systemClock,
  };
}

interface RetryFields {
  /** What the request held. */
  readonly records: number;
  readonly delayMs: number;
  /** Of this request. */
  readonly attempt: number;
  /** Of all requests of this write. */
  readonly retries: number;
}

/** What one write has counted so far. */
interface Tally {
  refused: number;
  retries: number;
}

/**
 * A sink of a service that takes records by the request and may refuse some of them. Each request is
 * repeated for the records that were not taken, and for those alone, until none is left; what can never be
 * taken becomes a dead letter. A record counts only when the service said so, or its dead letter is durable.
 */
export class RecordSink implements Sink {
  readonly name: string;
  readonly batch: BatchLimits;
  readonly #options: RecordSinkOptions;
  /** When a retry was last logged, by what it was about. */
  readonly #loggedAt = new Map<FailureKind, number>();
  #open: { readonly api: RecordApi; readonly logger: Logger } | undefined;

  constructor(options: RecordSinkOptions) {
    const { name, request, requests } = options;
    this.name = name;
    // What came while requests were under way is the next batch, and keeps all of them busy.
    this.batch = { eventsMax: request.recordsMax * requests, bytesMax: request.bytesMax * requests, waitMs: 0 };
    this.#options = options;
  }

  async open({ logger }: SinkContext): Promise<void> {
    const { connect, stream, timeoutMs } = this.#options;
    const api = await connect();
    try {
      await withTimeout((signal) => api.check(signal), { signal: new AbortController().signal, timeoutMs });
    } catch (error) {
      const failure = toAwsFailure(error);
      // A role that may only write must do: it cannot ask whether the stream is there.
      const refusal = isForbidden(failure) ? undefined : toStartError(failure, stream);
      const fault = error instanceof IngestError ? error : refusal;
      if (fault !== undefined) {
        api.close();
        throw fault;
      }
      logger.warn(describe(failure), 'Cannot ask whether the stream is there; going on');
    }
    this.#open = { api, logger };
  }

  async write(batch: readonly SpooledEvent[], signal: AbortSignal): Promise<WriteResult> {
    const tally: Tally = { refused: 0, retries: 0 };
    const records = batch.map((event) => this.#toRecord(event));
    const { recordBytesMax, order } = this.#options;
    const tooLarge = records.filter(({ bytes }) => bytes > recordBytesMax);
    await this.#refuse(tooLarge.map(toTooLarge(recordBytesMax)), { attempts: 0, tally, signal });
    const queue = new RecordQueue(
      records.filter(({ bytes }) => bytes <= recordBytesMax),
      order,
    );
    await this.#drain(queue, tally, signal);
    return { refused: tally.refused, ...(tally.retries === 0 ? {} : { retries: tally.retries }) };
  }

  // oxlint-disable-next-line typescript/require-await -- the contract is asynchronous, the SDK's own end is not
  async close(): Promise<void> {
    this.#open?.api.close();
    this.#open = undefined;
  }

  #toRecord(event: SpooledEvent): OutgoingRecord {
    const data = Buffer.from(formatRecord(event, this.#options.format));
    const key = this.#options.keyOf(event);
    return { event, data, key, bytes: data.length + Buffer.byteLength(key) };
  }

  /** Settles all of `queue`, several requests at once; when it rejects none is under way any more. */
  async #drain(queue: RecordQueue, tally: Tally, signal: AbortSignal): Promise<void> {
    const { request, requests } = this.#options;
    const settled = new Notifier();
    const halt = new AbortController();
    // Each request listens to it: that is no leak to warn of.
    setMaxListeners(0, halt.signal);
    const stop = (): void => halt.abort();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const lane = async (): Promise<void> => {
      while (!queue.isDone) {
        halt.signal.throwIfAborted();
        const records = queue.take(request);
        if (records.length === 0) {
          await settled.wait(halt.signal);
          continue;
        }
        await this.#settle(records, tally, halt.signal);
        queue.settle(records);
        settled.notify();
      }
    };
    const lanes = Array.from({ length: requests }, () =>
      lane().catch((error: unknown) => {
        stop();
        throw error;
      }),
    );
    const results = await Promise.allSettled(lanes);
    signal.removeEventListener('abort', stop);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** Resolves when each of `records`, one request's worth, is taken or a dead letter. */
  async #settle(records: readonly OutgoingRecord[], tally: Tally, signal: AbortSignal): Promise<void> {
    const { api } = this.#opened();
    const { timeoutMs, clock } = this.#options;
    const backoff = createBackoff(BACKOFF);
    let left = records;
    for (let attempts = 1; ; attempts += 1) {
      const outcome = await attempt(api, left, { signal, timeoutMs });
      await this.#refuse(outcome.refused, { attempts, tally, signal });
      if (outcome.failed.length === 0) return;
      // Some were taken: the stream is not stuck, it is only full.
      if (outcome.failed.length < left.length) backoff.reset();
      const delayMs = backoff.nextMs();
      tally.retries += 1;
      this.#logRetry(outcome, { records: left.length, delayMs, attempt: attempts, retries: tally.retries });
      await sleep(delayMs, signal, clock);
      signal.throwIfAborted();
      left = outcome.failed;
    }
  }

  /** Resolves when the dead letters of `refused` are durable; there is no last attempt. */
  async #refuse(
    refused: readonly RefusedRecord[],
    { attempts, tally, signal }: { readonly attempts: number; readonly tally: Tally; readonly signal: AbortSignal },
  ): Promise<void> {
    if (refused.length === 0) return;
    const { logger } = this.#opened();
    const { deadLetters, clock } = this.#options;
    const letters = refused.map((each) => this.#toDeadLetter(each, attempts));
    await keepDeadLetters(letters, { deadLetters, clock, signal, logger, backoff: createBackoff(BACKOFF) });
    tally.refused += refused.length;
    for (const each of refused) logRefused(logger, each);
  }

  #toDeadLetter({ record, failure }: RefusedRecord, attemptsMade: number): DeadLetter {
    return {
      event: record.event,
      sink: this.name,
      rawData: record.data,
      attemptsMade,
      errorCode: failure.code,
      errorMessage: failure.message,
      endedAt: this.#options.clock.now(),
    };
  }

  /** What somebody must mend stands out from what heals by itself. A stream that is too small says so all day. */
  #logRetry({ failed, failure }: Outcome, fields: RetryFields): void {
    if (failure === undefined) return;
    const nowMs = this.#options.clock.now();
    const loggedAt = this.#loggedAt.get(failure.kind);
    if (loggedAt !== undefined && nowMs - loggedAt < RETRY_LOG_MS) return;
    this.#loggedAt.set(failure.kind, nowMs);
    this.#opened().logger[failure.kind === 'later' ? 'warn' : 'error'](
      { ...describe(failure), failed: failed.length, ...fields },
      'Cannot put records; trying again',
    );
  }

  #opened(): { readonly api: RecordApi; readonly logger: Logger } {
    if (this.#open === undefined) throw new IngestError('internal', 'Cannot write: the sink is not open');
    return this.#open;
  }
}

function toTooLarge(bytesMax: number): (record: OutgoingRecord) => RefusedRecord {
  return (record) => {
    const message = `the record has ${record.bytes} bytes, more than ${bytesMax}`;
    return { record, failure: { kind: 'content', code: 'record-too-large', message } };
  };
}

function logRefused(logger: Logger, { record: { event, bytes }, failure }: RefusedRecord): void {
  const { sequence, id, type } = event;
  logger.error(
    { ...describe(failure), sequence, id: id.slice(0, 200), type: type.slice(0, 200), bytes },
    'Event refused; it is a dead letter',
  );
}

function describe({ code, message, kind }: AwsFailure): object {
  return { code, error: message, kind };
}
