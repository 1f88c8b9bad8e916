import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { S3_CREDENTIALS } from '../support/s3-servers.js';
import type { S3Place, S3Server } from '../support/s3-servers.js';

const PART_BYTES = 5 * 1024 * 1024;

interface Part {
  readonly PartNumber: number;
  readonly ETag: string | undefined;
}

/** One upload in parts, step by step. */
class Upload implements Disposable {
  readonly #client: S3Client;
  readonly #target: { readonly Bucket: string; readonly Key: string };
  #id: string | undefined;

  private constructor({ endpoint, bucket }: S3Place) {
    const where = { endpoint, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 };
    this.#client = new S3Client({ ...where, credentials: S3_CREDENTIALS, requestChecksumCalculation: 'WHEN_REQUIRED' });
    this.#target = { Bucket: bucket, Key: 'key' };
  }

  static async begin(place: S3Place): Promise<Upload> {
    const upload = new Upload(place);
    const { UploadId } = await upload.#client.send(new CreateMultipartUploadCommand(upload.#target));
    upload.#id = UploadId;
    return upload;
  }

  async send(number: number, bytes: number): Promise<Part> {
    const part = { ...this.#target, UploadId: this.#id, PartNumber: number, Body: Buffer.alloc(bytes, number) };
    const { ETag } = await this.#client.send(new UploadPartCommand(part));
    return { PartNumber: number, ETag };
  }

  async complete(...Parts: readonly Part[]): Promise<void> {
    const end = { ...this.#target, UploadId: this.#id, MultipartUpload: { Parts: [...Parts] } };
    await this.#client.send(new CompleteMultipartUploadCommand(end));
  }

  async abort(): Promise<void> {
    await this.#client.send(new AbortMultipartUploadCommand({ ...this.#target, UploadId: this.#id }));
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }
}

const refused = (name: string): unknown => expect.objectContaining({ name });

/** The rules of uploads that the sink relies on, seen past it. Source: "CompleteMultipartUpload", Special errors. */
export function describeUploadRules({ createPlace }: S3Server): void {
  describe('CompleteMultipartUpload', () => {
    it('takes the parts that are named, and a part that came again as it came last', async () => {
      await using place = await createPlace();
      using upload = await Upload.begin(place);
      const first = await upload.send(1, PART_BYTES + 1);
      const again = await upload.send(1, PART_BYTES);
      const last = await upload.send(3, 1);
      await expect(upload.complete(first, last)).rejects.toThrow(refused('InvalidPart'));
      await expect(upload.complete(again, last)).resolves.toBeUndefined();
    });

    it('refuses parts that are not there, or too small', async () => {
      await using place = await createPlace();
      using upload = await Upload.begin(place);
      const [one, two] = [await upload.send(1, PART_BYTES), await upload.send(2, PART_BYTES)];
      const [three, four] = [await upload.send(3, 1), await upload.send(4, 1)];
      await expect(upload.complete(one, { ...two, PartNumber: 5 })).rejects.toThrow(refused('InvalidPart'));
      await expect(upload.complete(one, three, four)).rejects.toThrow(refused('EntityTooSmall'));
      await expect(upload.complete(one, two, three)).resolves.toBeUndefined();
    });
  });
}

/** Rules that not every server has. */
export function describeStrictUploads({ createPlace }: S3Server): void {
  describe('CompleteMultipartUpload', () => {
    it('refuses parts in another order', async () => {
      await using place = await createPlace();
      using upload = await Upload.begin(place);
      const [one, two] = [await upload.send(1, PART_BYTES), await upload.send(2, PART_BYTES)];
      await expect(upload.complete(two, one)).rejects.toThrow(refused('InvalidPartOrder'));
    });

    it('refuses an upload that was aborted', async () => {
      await using place = await createPlace();
      using upload = await Upload.begin(place);
      const part = await upload.send(1, 1);
      await upload.abort();
      await expect(upload.complete(part)).rejects.toThrow(refused('NoSuchUpload'));
    });
  });
}
