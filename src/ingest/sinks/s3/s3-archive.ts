import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createBackoff, systemClock } from '../../../base/index.js';
import { IngestError } from '../../errors.js';
import { retry } from '../../retry.js';
import { judgeArchive } from '../../verify.js';
import type { ArchiveReport, Evidence } from '../../verify.js';
import { toAwsFailure } from '../aws-failure.js';
import { createAwsStore } from './aws-store.js';
import type { AwsStoreOptions } from './aws-store.js';
import { parseManifest } from './manifest.js';
import type { Manifest } from './manifest.js';
import type { ObjectStore } from './object-store.js';

export interface S3ArchiveOptions extends AwsStoreOptions {
  /** As the sink has it (default `sse-manifest/`). */
  readonly manifestPrefix?: string;
  /** Reads the data too and compares its SHA-256; else the object's size is all that is looked at. */
  readonly readsData?: boolean;
}

/** Objects that are looked at at a time. */
const IN_FLIGHT = 16;
const ATTEMPTS_MAX = 5;

/**
 * Looks at every manifest under the prefix and at the object that it tells of, and says what is missing and what
 * is there twice. Holds about 1 KB of memory for each object.
 * @throws IngestError `package-missing`; `invalid-option` (no region); `access-refused`, `bucket-missing` or `archive-unreadable` after five attempts.
 */
export async function verifyS3Archive(options: S3ArchiveOptions, stop: AbortSignal): Promise<ArchiveReport> {
  const signal = AbortSignal.any([stop]);
  // Every request under way listens to it: no leak to warn of.
  setMaxListeners(0, signal);
  const store = await createAwsStore(options);
  try {
    const keys: string[] = [];
    for await (const key of store.list(options.manifestPrefix ?? 'sse-manifest/', signal)) keys.push(key);
    const evidence: Evidence[] = [];
    const unreadable: string[] = [];
    const work = keys.values();
    const look = async (): Promise<void> => {
      for (const key of work) {
        const found = await retryFew(() => lookAt(store, key, { ...options, signal }), signal);
        if (found !== undefined) evidence.push(found);
        // Other things may lie there too; a manifest is named like none of them.
        else if (key.endsWith('.json')) unreadable.push(key);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, look));
    return judgeArchive(evidence, unreadable);
  } catch (error) {
    if (signal.aborted || error instanceof IngestError) throw error;
    throw toRefusal(error, options.bucket);
  } finally {
    store.close();
  }
}

/** Of what a failure is about, the code that an archive is refused with. */
const CODES = {
  access: 'access-refused',
  stream: 'bucket-missing',
  settings: 'invalid-option',
  content: 'archive-unreadable',
  later: 'archive-unreadable',
} as const;

function toRefusal(error: unknown, bucket: string): IngestError {
  const { kind, code, message } = toAwsFailure(error);
  const text = `Cannot read the archive in bucket ${JSON.stringify(bucket)}: ${message} (${code})`;
  return new IngestError(CODES[kind], text, { cause: error });
}

/** Undefined where the object at `key` is no manifest. */
async function lookAt(
  store: ObjectStore,
  key: string,
  { readsData = false, signal }: { readonly readsData?: boolean; readonly signal: AbortSignal },
): Promise<Evidence | undefined> {
  const manifest = parseManifest((await store.read(key, signal)).toString());
  if (manifest === undefined) return undefined;
  const stored = await store.describe(manifest.key, signal);
  if (stored === undefined) return { manifest, data: 'missing' };
  const isSame = stored.bytes === manifest.bytes && (!readsData || (await hasSameBytes(store, manifest, signal)));
  return { manifest, data: isSame ? 'there' : 'different' };
}

async function hasSameBytes(store: ObjectStore, { key, sha256 }: Manifest, signal: AbortSignal): Promise<boolean> {
  const body = await store.read(key, signal);
  return createHash('sha256').update(body).digest('hex') === sha256;
}

function retryFew<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const backoff = createBackoff({ baseMs: 200, maxMs: 5000 });
  const isRetryable = (): boolean => backoff.attempts < ATTEMPTS_MAX - 1;
  return retry(task, { backoff, clock: systemClock, signal, isRetryable });
}
