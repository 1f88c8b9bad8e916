import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';

export interface ArchivedObject {
  readonly key: string;
  readonly body: Buffer;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const ANYBODY = { accessKeyId: 'test', secretAccessKey: 'test' };

interface ManifestLike {
  readonly chain: string;
  readonly number: number;
  readonly key: string;
  readonly count: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a reader of the bucket finds there, through the SDK and nothing of ours. */
export class S3Archive implements Disposable {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(endpoint: string, bucket = 'bucket', credentials = ANYBODY) {
    this.#bucket = bucket;
    this.#client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  }

  async createBucket(): Promise<void> {
    await this.#client.send(new CreateBucketCommand({ Bucket: this.#bucket }));
  }

  async objects(prefix = ''): Promise<readonly ArchivedObject[]> {
    const objects: ArchivedObject[] = [];
    let token: string | undefined;
    do {
      const from = token === undefined ? {} : { ContinuationToken: token };
      const page = await this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, ...from }));
      for (const { Key: key = '' } of page.Contents ?? []) objects.push(await this.#read(key));
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return objects;
  }

  async put(key: string, text: string): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: text }));
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }));
  }

  /** How many uploads of `key` in parts are neither completed nor aborted. */
  async uploads(key: string): Promise<number> {
    const page = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: key }));
    return page.Uploads?.length ?? 0;
  }

  /** The lines of all data, object by object as the manifests number them; throws where one lies. */
  async lines(): Promise<readonly string[]> {
    const manifests = (await this.objects('sse-manifest/')).map(
      ({ body }) => JSON.parse(body.toString()) as ManifestLike,
    );
    const lines: string[] = [];
    for (const { key, bytes, sha256, count } of manifests.toSorted((a, b) => a.number - b.number)) {
      const { body } = await this.#read(key);
      const text = (key.endsWith('.gz') ? gunzipSync(body) : body).toString();
      const own = text.split('\n').slice(0, -1);
      const isTrue =
        body.length === bytes && own.length === count && createHash('sha256').update(body).digest('hex') === sha256;
      if (!isTrue) throw new Error(`The manifest of ${key} does not tell what is there`);
      lines.push(...own);
    }
    return lines;
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  async #read(key: string): Promise<ArchivedObject> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key });
    const { Body, ContentType: contentType = '', Metadata: metadata = {} } = await this.#client.send(command);
    return { key, body: Buffer.from((await Body?.transformToByteArray()) ?? []), contentType, metadata };
  }
}
