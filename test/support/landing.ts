import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import type { Sink } from '../../src/ingest/index.js';
import { CREDENTIALS, REGION } from './kinesis-stream.js';
import { S3Archive } from './s3-archive.js';

/** What a Firehose stream of moto's has put into its S3: an object for each request. */
export class Landing implements Disposable {
  readonly #archive: S3Archive;
  readonly #seen = new Set<string>();
  readonly #lines: string[] = [];

  private constructor(archive: S3Archive) {
    this.#archive = archive;
  }

  /** Makes the stream `stream`, and a bucket of that name that it delivers to. */
  static async create(endpoint: string, stream: string): Promise<Landing> {
    const archive = new S3Archive(endpoint, stream);
    await archive.createBucket();
    const client = new FirehoseClient({ region: REGION, credentials: CREDENTIALS, endpoint });
    const role = 'arn:aws:iam::123456789012:role/any';
    const destination = { BucketARN: `arn:aws:s3:::${stream}`, RoleARN: role };
    await client.send(
      new CreateDeliveryStreamCommand({ DeliveryStreamName: stream, S3DestinationConfiguration: destination }),
    );
    client.destroy();
    return new Landing(archive);
  }

  /** The lines of all that was delivered. Names say the second only, so the order of one look's objects is anyone's. */
  async lines(): Promise<readonly string[]> {
    for (const { key, body } of await this.#archive.objects()) {
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      this.#lines.push(...body.toString().split('\n').slice(0, -1));
    }
    return this.#lines;
  }

  /** `sink`, looked after: what each of its writes brought is collected before the next. */
  watch(sink: Sink): Sink {
    return {
      name: sink.name,
      batch: sink.batch,
      open: (context) => sink.open(context),
      write: async (batch, signal) => {
        const result = await sink.write(batch, signal);
        await this.lines();
        return result;
      },
      close: (reason) => sink.close(reason),
    };
  }

  [Symbol.dispose](): void {
    this.#archive[Symbol.dispose]();
  }
}
