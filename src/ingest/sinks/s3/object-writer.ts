import { createBackoff } from '../../../base/index.js';
import type { Clock } from '../../../base/index.js';
import type { Logger } from '../../../runtime/index.js';
import { retry } from '../../retry.js';
import type { SpooledEvent } from '../../spool/spool.js';
import { toAwsFailure } from '../aws-failure.js';
import { nameContent } from './fingerprint.js';
import { manifestKeyOf, manifestOf } from './manifest.js';
import type { ManifestSource } from './manifest.js';
import { contentTypeOf, encodeObject } from './object-encoder.js';
import type { EncodedObject } from './object-encoder.js';
import type { ObjectJournal, PlannedObject } from './object-journal.js';
import { keyInsteadOf, keyOf } from './object-key.js';
import type { ObjectNaming } from './object-key.js';
import type { ObjectStore, StoredObject } from './object-store.js';

export interface ObjectWriterOptions {
  readonly store: ObjectStore;
  readonly journal: ObjectJournal;
  readonly naming: ObjectNaming;
  /** What every manifest says. */
  readonly source: ManifestSource;
  readonly manifestPrefix: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What an object carries, so that who finds it knows what it is without reading it. */
const DIGEST = 'tidegate-digest';
const SHA256 = 'tidegate-sha256';

/** The way of one object: planned, created, described by its manifest, done. Each step is tried until it succeeds. */
export class ObjectWriter {
  readonly #options: ObjectWriterOptions;
  readonly #backoff = createBackoff();
  #retries = 0;

  constructor(options: ObjectWriterOptions) {
    this.#options = options;
  }

  /** Attempts that were repeated, so far. */
  get retries(): number {
    return this.#retries;
  }

  /** Journals an object of `events`, which must not be empty. */
  async plan(events: readonly [SpooledEvent, ...SpooledEvent[]]): Promise<PlannedObject> {
    const { journal, naming } = this.#options;
    const [first] = events;
    const object: PlannedObject = {
      ...journal.next,
      key: keyOf(naming, first),
      arrivedAt: first.receivedAt,
      firstId: first.id,
      lastId: events.at(-1)?.id ?? first.id,
      ...(await nameContent(events)),
    };
    await journal.plan(object);
    return object;
  }

  /** Resolves when the object and its manifest are there, by this call or by an earlier one whose answer was lost. */
  async write(planned: PlannedObject, events: readonly SpooledEvent[], signal: AbortSignal): Promise<void> {
    const encoded = await encodeObject(events, this.#options.source);
    let object = planned;
    for (;;) {
      const stored = await this.#create(object, encoded, signal);
      if (isSame(stored, object)) return this.#finish(object, stored, signal);
      object = await this.#planElsewhere(object);
    }
  }

  /** Finishes what an earlier run left half done, where the object is there; else its plan stays, if it can be used. */
  async recover(planned: PlannedObject, signal: AbortSignal): Promise<void> {
    const { store, journal, naming, logger } = this.#options;
    await store.abortUploads(planned.key, signal).catch((error: unknown) => {
      logger.warn(
        { key: planned.key, error: toAwsFailure(error).message },
        'Cannot look for leftover parts of an object',
      );
    });
    const stored = await this.#try(() => store.describe(planned.key, signal), signal);
    if (stored !== undefined && isSame(stored, planned)) await this.#finish(planned, stored, signal);
    // Another format or compression since then: the key would lie.
    else if (!planned.key.endsWith(naming.extension)) await journal.drop(planned.number);
  }

  /** What is under the key after the attempt to create it. */
  #create(object: PlannedObject, { body, sha256 }: EncodedObject, signal: AbortSignal): Promise<StoredObject> {
    const { store, source } = this.#options;
    const metadata = { [DIGEST]: object.digest, [SHA256]: sha256 };
    const contentType = contentTypeOf(source);
    return this.#try(async () => {
      const outcome = await store.create({ key: object.key, body, contentType, metadata }, signal);
      if (outcome === 'created') return { bytes: body.length, metadata };
      const stored = await store.describe(object.key, signal);
      if (stored === undefined)
        throw new Error(`the key "${object.key}" is taken, but what is there cannot be looked at (s3:GetObject)`);
      return stored;
    }, signal);
  }

  async #planElsewhere(object: PlannedObject): Promise<PlannedObject> {
    const { journal, naming, logger } = this.#options;
    const key = keyInsteadOf(naming, object.key, object.arrivedAt);
    logger.warn({ key: object.key, instead: key }, 'The key is taken by other events; the object gets another');
    const elsewhere = { ...object, key };
    await journal.plan(elsewhere);
    return elsewhere;
  }

  async #finish(object: PlannedObject, { bytes, metadata }: StoredObject, signal: AbortSignal): Promise<void> {
    const { store, journal, source, manifestPrefix, logger } = this.#options;
    const manifest = manifestOf(object, source, { bytes, sha256: metadata[SHA256] ?? '' });
    const key = manifestKeyOf(manifestPrefix, object.key);
    const body = Buffer.from(`${JSON.stringify(manifest)}\n`);
    await this.#try(() => store.replace({ key, body, contentType: 'application/json', metadata: {} }, signal), signal);
    await journal.markDone(object.number);
    logger.info({ key: object.key, events: manifest.count, bytes }, 'Object written');
  }

  #try<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { clock, logger } = this.#options;
    return retry(task, {
      backoff: this.#backoff,
      clock,
      signal,
      onRetry: (error, delayMs, attempt) => {
        this.#retries += 1;
        const { code, message } = toAwsFailure(error);
        logger.warn({ code, error: message, delayMs, attempt }, 'Cannot write to S3; trying again');
      },
    });
  }
}

function isSame({ metadata }: StoredObject, { digest }: PlannedObject): boolean {
  return metadata[DIGEST] === digest;
}
