import type * as SdkModule from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { loadOptional } from '../../optional-package.js';
import { toAwsFailure } from '../aws-failure.js';
import type { AwsCredentials } from '../record-api.js';
import type { NewObject, ObjectStore, PlaceCheck, StoredObject, VersionedStore } from './object-store.js';

export interface AwsStoreOptions {
  readonly bucket: string;
  /** Default: what the SDK finds in its own variables and files; `us-east-1` where an endpoint is given. */
  readonly region?: string;
  /** A server that speaks S3's protocol, instead of AWS; the bucket then stands in the path. */
  readonly endpoint?: string;
  /** Default: as the AWS SDK finds them. Never logged. */
  readonly credentials?: AwsCredentials;
  /** Milliseconds without a byte after which a request is given up (default 30,000). */
  readonly timeoutMs?: number;
  /** A larger body goes in parts (default 64 MiB). */
  readonly multipartBytes?: number;
  /** Size of a part (default 16 MiB; S3 takes none under 5 MiB but the last). */
  readonly partBytes?: number;
}

const TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const MULTIPART_BYTES = 64 * 1024 * 1024;
const PART_BYTES = 16 * 1024 * 1024;
/** Parts of one object that are sent at a time. */
const PARTS_IN_FLIGHT = 4;

type Sdk = typeof SdkModule;

/**
 * Objects in S3, or in what speaks its protocol and keeps to `If-None-Match: *`. The SDK makes one attempt for
 * each call, and sends bodies as they are, without the trailing checksums that other servers stumble over.
 * @throws IngestError `package-missing`: the SDK, an optional dependency, is not installed.
 */
export async function createAwsStore(options: AwsStoreOptions): Promise<ObjectStore & VersionedStore> {
  const need = { usedBy: 'S3', packages: ['@aws-sdk/client-s3'] };
  const sdk = await loadOptional(() => import('@aws-sdk/client-s3'), need);
  const { region, endpoint, credentials, timeoutMs = TIMEOUT_MS } = options;
  const client = new sdk.S3Client({
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true, region: 'us-east-1' }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: Math.min(timeoutMs, CONNECT_TIMEOUT_MS), socketTimeout: timeoutMs },
  });
  return new AwsStore({ sdk, client, options });
}

/** When a put may happen ("How to prevent object overwrites with conditional writes", S3 User Guide). */
interface PutCondition {
  readonly IfNoneMatch?: string;
  readonly IfMatch?: string;
}

interface AwsStoreParts {
  readonly sdk: Sdk;
  readonly client: S3Client;
  readonly options: AwsStoreOptions;
}

class AwsStore implements ObjectStore, VersionedStore {
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #multipartBytes: number;
  readonly #partBytes: number;
  /** Keys with parts of a failed attempt that could not be taken back at once. */
  readonly #leftovers = new Set<string>();

  constructor({ sdk, client, options }: AwsStoreParts) {
    this.#sdk = sdk;
    this.#client = client;
    this.#bucket = options.bucket;
    this.#multipartBytes = options.multipartBytes ?? MULTIPART_BYTES;
    this.#partBytes = options.partBytes ?? PART_BYTES;
  }

  async check(signal: AbortSignal): Promise<PlaceCheck> {
    try {
      await this.#client.send(new this.#sdk.HeadBucketCommand({ Bucket: this.#bucket }), { abortSignal: signal });
      return { kind: 'there' };
    } catch (error) {
      return judgeCheck(error, this.#bucket);
    }
  }

  async create(object: NewObject, signal: AbortSignal): Promise<'created' | 'taken'> {
    const outcome = await this.#tryCreate(object, signal);
    // Best effort, as the object is there: what is left after this is taken back at the next start or never seen.
    if (this.#leftovers.delete(object.key)) await this.abortUploads(object.key, signal).catch(() => {});
    return outcome;
  }

  async #tryCreate(object: NewObject, signal: AbortSignal): Promise<'created' | 'taken'> {
    try {
      if (object.body.length > this.#multipartBytes) await this.#createInParts(object, signal);
      else await this.#put(object, { IfNoneMatch: '*' }, signal);
      return 'created';
    } catch (error) {
      if (statusOf(error) === 412) return 'taken';
      throw error;
    }
  }

  async replace(object: NewObject, signal: AbortSignal): Promise<void> {
    await this.#put(object, {}, signal);
  }

  async describe(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    try {
      const command = new this.#sdk.HeadObjectCommand({ Bucket: this.#bucket, Key: key });
      const { ContentLength = 0, Metadata = {} } = await this.#client.send(command, { abortSignal: signal });
      return { bytes: ContentLength, metadata: Metadata };
    } catch (error) {
      // Who may not list the bucket is told 403 of a key that is not there ("HeadObject", Permissions).
      if (statusOf(error) === 404 || statusOf(error) === 403) return undefined;
      throw error;
    }
  }

  async read(key: string, signal: AbortSignal): Promise<Buffer> {
    const command = new this.#sdk.GetObjectCommand({ Bucket: this.#bucket, Key: key });
    const { Body } = await this.#client.send(command, { abortSignal: signal });
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async readVersion(key: string, signal: AbortSignal): Promise<{ body: Buffer; version: string } | undefined> {
    try {
      const command = new this.#sdk.GetObjectCommand({ Bucket: this.#bucket, Key: key });
      const { Body, ETag = '' } = await this.#client.send(command, { abortSignal: signal });
      return { body: Buffer.from((await Body?.transformToByteArray()) ?? []), version: ETag };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async writeVersion(object: NewObject, version: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    try {
      return await this.#put(object, version === undefined ? { IfNoneMatch: '*' } : { IfMatch: version }, signal);
    } catch (error) {
      // 404: what was seen has been deleted ("PutObject", If-Match).
      if (statusOf(error) === 412 || statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async *list(prefix: string, signal: AbortSignal): AsyncIterable<string> {
    let token: string | undefined;
    do {
      const from = token === undefined ? {} : { ContinuationToken: token };
      const command = new this.#sdk.ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, ...from });
      const { Contents = [], NextContinuationToken } = await this.#client.send(command, { abortSignal: signal });
      for (const { Key } of Contents) if (Key !== undefined) yield Key;
      token = NextContinuationToken;
    } while (token !== undefined);
  }

  async abortUploads(key: string, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: key });
    const { Uploads = [] } = await this.#client.send(command, { abortSignal: signal });
    for (const { Key, UploadId } of Uploads) if (Key === key) await this.#abort(key, UploadId, signal);
  }

  close(): void {
    this.#client.destroy();
  }

  async #put(object: NewObject, condition: PutCondition, signal: AbortSignal): Promise<string> {
    const { key, body, contentType, metadata } = object;
    const command = new this.#sdk.PutObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      Body: body,
      ContentType: contentType,
      Metadata: metadata,
      ...condition,
    });
    const { ETag = '' } = await this.#client.send(command, { abortSignal: signal });
    return ETag;
  }

  async #createInParts(object: NewObject, signal: AbortSignal): Promise<void> {
    const { key, contentType: ContentType, metadata: Metadata } = object;
    const target = { Bucket: this.#bucket, Key: key };
    const begin = new this.#sdk.CreateMultipartUploadCommand({ ...target, ContentType, Metadata });
    // Where the answer is lost, the upload is there and nobody knows its id.
    this.#leftovers.add(key);
    const { UploadId } = await this.#client.send(begin, { abortSignal: signal });
    try {
      const Parts = await this.#sendParts(object, { ...target, UploadId }, signal);
      const end = { ...target, UploadId, MultipartUpload: { Parts }, IfNoneMatch: '*' };
      await this.#client.send(new this.#sdk.CompleteMultipartUploadCommand(end), { abortSignal: signal });
    } catch (error) {
      if (!signal.aborted) await this.#abort(key, UploadId, signal).catch(() => {});
      throw error;
    }
  }

  async #sendParts(
    { body }: NewObject,
    target: { readonly Bucket: string; readonly Key: string; readonly UploadId: string | undefined },
    signal: AbortSignal,
  ): Promise<{ PartNumber: number; ETag: string | undefined }[]> {
    const count = Math.ceil(body.length / this.#partBytes);
    const parts = Array.from({ length: count }, (_, index) => ({
      PartNumber: index + 1,
      Body: body.subarray(index * this.#partBytes, (index + 1) * this.#partBytes),
    }));
    const sent: { PartNumber: number; ETag: string | undefined }[] = [];
    const failure = new AbortController();
    const abortSignal = AbortSignal.any([signal, failure.signal]);
    const work = parts.values();
    const send = async (): Promise<void> => {
      for (const part of work) {
        const { ETag } = await this.#client.send(new this.#sdk.UploadPartCommand({ ...target, ...part }), {
          abortSignal,
        });
        sent.push({ PartNumber: part.PartNumber, ETag });
      }
    };
    try {
      await Promise.all(Array.from({ length: PARTS_IN_FLIGHT }, send));
    } finally {
      failure.abort();
    }
    return sent.toSorted((a, b) => a.PartNumber - b.PartNumber);
  }

  async #abort(key: string, uploadId: string | undefined, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.AbortMultipartUploadCommand({ Bucket: this.#bucket, Key: key, UploadId: uploadId });
    await this.#client.send(command, { abortSignal: signal });
  }
}

/** What the answer to HeadBucket says ("HeadBucket": 404 no such bucket, 301 another region, 403 no permission). */
function judgeCheck(error: unknown, bucket: string): PlaceCheck {
  const status = statusOf(error);
  const start = `Cannot use S3: the bucket ${JSON.stringify(bucket)}`;
  if (status === 404) return { kind: 'refused', code: 'bucket-missing', message: `${start} is not there` };
  if (status === 301) return { kind: 'refused', code: 'bucket-missing', message: `${start} is in another region` };
  const failure = toAwsFailure(error);
  // The answer to a HEAD has no body, so a 403 does not say whether it is the credentials or the permission.
  if (failure.kind === 'later' || status !== undefined)
    return { kind: 'unsure', message: `${failure.code}: ${failure.message}` };
  const code = failure.kind === 'settings' ? 'invalid-option' : 'access-refused';
  return { kind: 'refused', code, message: `${start} cannot be asked for: ${failure.message} (${failure.code})` };
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  const { httpStatusCode } = error.$metadata as { readonly httpStatusCode?: number };
  return httpStatusCode;
}
