import { systemClock } from '../../base/index.js';
import { toAwsFailure } from './aws-failure.js';
import type { AwsFailure } from './aws-failure.js';
import type { RecordAnswer, RecordApi } from './record-api.js';
import type { OutgoingRecord } from './record-queue.js';

/** What came of one attempt to put records; who is in neither list was taken. */
export interface Outcome {
  /** To be tried again, in their order. */
  readonly failed: readonly OutgoingRecord[];
  /** Why, of one of them. */
  readonly failure: AwsFailure | undefined;
  /** Never to be taken. */
  readonly refused: readonly RefusedRecord[];
}

export interface RefusedRecord {
  readonly record: OutgoingRecord;
  readonly failure: AwsFailure;
}

export interface AttemptOptions {
  readonly signal: AbortSignal;
  /** Milliseconds for each request. */
  readonly timeoutMs: number;
}

/**
 * Puts `records` in one request. Where that is refused for what is in it, its halves are put one after the
 * other, until it is known which record is to blame.
 * @throws what the request threw, where `signal` has aborted.
 */
export async function attempt(
  api: RecordApi,
  records: readonly OutgoingRecord[],
  options: AttemptOptions,
): Promise<Outcome> {
  let answers: readonly RecordAnswer[];
  try {
    answers = await withTimeout((signal) => api.put(records, signal), options);
  } catch (error) {
    if (options.signal.aborted) throw error;
    const failure = toAwsFailure(error);
    const [record] = records;
    if (failure.kind !== 'content' || record === undefined) return { failed: records, failure, refused: [] };
    if (records.length === 1) return { failed: [], failure: undefined, refused: [{ record, failure }] };
    const half = records.length >> 1;
    const before = await attempt(api, records.slice(0, half), options);
    return merge(before, await attempt(api, records.slice(half), options));
  }
  return sort(records, answers);
}

/** Does `task`, but no longer than `timeoutMs`; rejects at once when `signal` aborts. */
export function withTimeout<T>(
  task: (signal: AbortSignal) => Promise<T>,
  { signal, timeoutMs }: AttemptOptions,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new AbortController();
    const end = (error: unknown): void => {
      request.abort();
      reject(error);
    };
    const stop = (): void => end(new DOMException('stopped', 'AbortError'));
    const cancel = systemClock.after(timeoutMs, () =>
      end(new DOMException(`no answer within ${timeoutMs} ms`, 'TimeoutError')),
    );
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    void task(request.signal)
      .then(resolve, reject)
      .finally(() => {
        cancel();
        signal.removeEventListener('abort', stop);
      });
  });
}

function sort(records: readonly OutgoingRecord[], answers: readonly RecordAnswer[]): Outcome {
  if (answers.length !== records.length) {
    const message = `${answers.length} answers to ${records.length} records`;
    return { failed: records, failure: { kind: 'later', code: 'unexpected-answer', message }, refused: [] };
  }
  const failed: OutgoingRecord[] = [];
  const refused: RefusedRecord[] = [];
  let last: AwsFailure | undefined;
  for (const [at, record] of records.entries()) {
    const failure = answers[at];
    if (failure === undefined) continue;
    if (failure.kind === 'content') {
      refused.push({ record, failure });
      continue;
    }
    failed.push(record);
    last = failure;
  }
  return { failed, failure: last, refused };
}

function merge(first: Outcome, second: Outcome): Outcome {
  return {
    failed: [...first.failed, ...second.failed],
    failure: first.failure ?? second.failure,
    refused: [...first.refused, ...second.refused],
  };
}
