import type { Logger } from '../../../runtime/index.js';
import { formatDeadLetter } from '../dead-letters.js';
import type { DeadLetter, DeadLetters } from '../dead-letters.js';
import { createAwsStore } from './aws-store.js';
import type { AwsStoreOptions } from './aws-store.js';
import { nameContent } from './fingerprint.js';
import { parseErrorPrefix, randomString } from './key-expressions.js';
import type { KeyPrefix } from './key-expressions.js';
import { timeInKey } from './object-key.js';
import type { ObjectStore } from './object-store.js';

export interface S3DeadLettersOptions extends AwsStoreOptions {
  readonly pipeline: string;
  /** How keys begin, with Firehose's expressions (default `sse-error`). */
  readonly errorPrefix?: string;
  /** Where the events came from, without secrets: each line says it. */
  readonly source: string;
  /** Told of an error prefix whose keys come out as few would expect. */
  readonly logger?: Logger;
}

interface Group {
  readonly sink: string;
  readonly first: DeadLetter;
  readonly letters: readonly DeadLetter[];
}

const ERROR_PREFIX = 'sse-error';
const DIGEST = 'tidegate-digest';
const RANDOM_CHARACTERS = 16;

/**
 * Dead letters as objects in S3, a line of JSON each, under the error prefix; `!{firehose:error-output-type}` is
 * `<sink>-failed`. Written again after a lost answer, they find their own object.
 * @throws IngestError `invalid-option`; its `write` throws `package-missing` and what the SDK throws.
 */
export function createS3DeadLetters(options: S3DeadLettersOptions): DeadLetters {
  const prefix = parseErrorPrefix(options.errorPrefix ?? ERROR_PREFIX);
  for (const warning of prefix.warnings) options.logger?.warn({ errorPrefix: prefix.expression }, warning);
  return {
    async write(letters) {
      if (letters.length === 0) return;
      // They are rare: a connection that is kept for the next would only be cut.
      const store = await createAwsStore(options);
      try {
        for (const group of bySink(letters)) await writeGroup(group, store, { ...options, prefix });
      } finally {
        store.close();
      }
    },
  };
}

function bySink(letters: readonly DeadLetter[]): readonly Group[] {
  return [...new Set(letters.map(({ sink }) => sink))].flatMap((sink) => {
    const own = letters.filter((letter) => letter.sink === sink);
    return own[0] === undefined ? [] : [{ sink, first: own[0], letters: own }];
  });
}

async function writeGroup(
  { sink, first, letters }: Group,
  store: ObjectStore,
  { prefix, pipeline, source }: S3DeadLettersOptions & { readonly prefix: KeyPrefix },
): Promise<void> {
  const { signal } = new AbortController();
  const { digest } = await nameContent(letters.map(({ event }) => event));
  const body = Buffer.from(letters.map((letter) => formatDeadLetter(letter, source)).join(''));
  const atMs = first.event.receivedAt;
  for (let seed = `${pipeline}/${sink}/${digest}`; ; seed = `${seed}/`) {
    const name = `${pipeline}-${timeInKey(atMs)}-${randomString(seed, RANDOM_CHARACTERS)}.ndjson`;
    const key = `${prefix.evaluate({ atMs, seed, errorType: `${sink}-failed` })}${name}`;
    const metadata = { [DIGEST]: digest };
    const outcome = await store.create({ key, body, contentType: 'application/x-ndjson', metadata }, signal);
    if (outcome === 'created' || (await store.describe(key, signal))?.metadata[DIGEST] === digest) return;
  }
}
