import { randomUUID } from 'node:crypto';
import { formatCheckpoint, parseCheckpoint } from './checkpoint.js';
import type { Checkpoint, CheckpointStore } from './checkpoint.js';
import { IngestError, messageOf } from '../errors.js';
import { toAwsFailure } from '../sinks/aws-failure.js';
import type { AwsCredentials } from '../sinks/record-api.js';
import { createAwsStore } from '../sinks/s3/aws-store.js';
import type { VersionedStore } from '../sinks/s3/object-store.js';

export interface S3CheckpointStoreOptions {
  readonly bucket: string;
  readonly key: string;
  /** The name of the pipeline that the object belongs to. */
  readonly pipeline: string;
  /** Default: as the AWS SDK finds it. */
  readonly region?: string;
  /** Another server that speaks S3's protocol; it must keep to `If-Match`. */
  readonly endpoint?: string;
  /** Default: as the AWS SDK finds them. Never logged. */
  readonly credentials?: AwsCredentials;
}

const REQUEST_MS = 30_000;

/**
 * A checkpoint in an object of S3, which is only ever replaced by who saw what is there (`If-Match`): of two processes
 * that run one pipeline, the second to save is refused and stops.
 * @throws IngestError its `load` throws `package-missing` without the AWS SDK.
 */
export function createS3CheckpointStore(options: S3CheckpointStoreOptions): CheckpointStore {
  return new S3CheckpointStore(options);
}

class S3CheckpointStore implements CheckpointStore {
  readonly #options: S3CheckpointStoreOptions;
  readonly #place: string;
  /** In what this store saves, so that it knows its own save whose answer was lost. */
  readonly #writer = randomUUID();
  #store: Promise<VersionedStore> | undefined;
  #version: string | undefined;

  constructor(options: S3CheckpointStoreOptions) {
    this.#options = options;
    this.#place = `s3://${options.bucket}/${options.key}`;
  }

  async load(): Promise<Checkpoint | undefined> {
    const found = await this.#read();
    this.#version = found?.version;
    if (found === undefined) return undefined;
    return parseCheckpoint(found.body.toString(), { place: this.#place, pipeline: this.#options.pipeline });
  }

  async save(checkpoint: Checkpoint): Promise<void> {
    const { key, pipeline } = this.#options;
    const store = await this.#connect();
    const body = Buffer.from(formatCheckpoint(checkpoint, { pipeline, writer: this.#writer }));
    const object = { key, body, contentType: 'application/json', metadata: {} };
    const put = (): Promise<string | undefined> =>
      ask(() => store.writeVersion(object, this.#version, AbortSignal.timeout(REQUEST_MS)));
    const version = (await put()) ?? ((await this.#isOwn(store)) ? await put() : undefined);
    if (version === undefined)
      throw new IngestError(
        'checkpoint-taken',
        `Cannot save checkpoint ${this.#place}: another process has saved it since`,
      );
    this.#version = version;
  }

  async close(): Promise<void> {
    const store = await this.#store?.catch(() => undefined);
    store?.close();
  }

  /** Whether what is there is a save of this store after all; it is then the version to write over. */
  async #isOwn(store: VersionedStore): Promise<boolean> {
    const found = await ask(() => store.readVersion(this.#options.key, AbortSignal.timeout(REQUEST_MS)));
    if (found === undefined || writerOf(found.body.toString()) !== this.#writer) return false;
    this.#version = found.version;
    return true;
  }

  #connect(): Promise<VersionedStore> {
    this.#store ??= createAwsStore(this.#options);
    return this.#store;
  }

  async #read(): ReturnType<VersionedStore['readVersion']> {
    try {
      const store = await this.#connect();
      return await ask(() => store.readVersion(this.#options.key, AbortSignal.timeout(REQUEST_MS)));
    } catch (error) {
      if (error instanceof IngestError) throw error;
      throw new IngestError('checkpoint-unreadable', `Cannot read checkpoint ${this.#place}: ${messageOf(error)}`);
    }
  }
}

/** What AWS says of a signature repeats signed headers, a session token among them: its own message goes no further. */
async function ask<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    const { code, message } = toAwsFailure(error);
    throw new Error(`${message} (${code})`, { cause: error });
  }
}

function writerOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { readonly writer?: unknown }).writer;
  } catch {
    return undefined;
  }
}
