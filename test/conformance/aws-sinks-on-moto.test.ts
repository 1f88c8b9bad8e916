import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import { describe } from 'vitest';
import { createFirehoseSink } from '../../src/ingest/index.js';
import type { DeadLetters, Sink } from '../../src/ingest/index.js';
import { JumpingClock } from '../support/clocks.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { CREDENTIALS, REGION } from '../support/kinesalite.js';
import { hasMoto, MOTO, MotoServer } from '../support/moto-server.js';
import { describeSink } from './sink.js';
import type { SinkFixture } from './sink.js';

const BUCKET = 'landing';
/** moto wants a signature, and does not check it. */
const ANYBODY = 'AWS4-HMAC-SHA256 Credential=test/20261121/eu-central-1/s3/aws4_request';
const deadLetters: DeadLetters = { write: () => Promise.reject(new Error('no event here is refused')) };

/** What moto's Firehose has put into its S3, an object for each request. */
class Landing {
  readonly #url: string;
  readonly #seen = new Set<string>();
  readonly lines: string[] = [];

  constructor(endpoint: string) {
    this.#url = `${endpoint}/${BUCKET}`;
  }

  /** Takes up what is new. Names say the second only, so this has to come between two writes. */
  async collect(): Promise<void> {
    const listing = await this.#get('?list-type=2');
    for (const [, key = ''] of listing.matchAll(/<Key>([^<]+)<\/Key>/g)) {
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      const text = await this.#get(`/${key}`);
      this.lines.push(...text.split('\n').slice(0, -1));
    }
  }

  async #get(path: string): Promise<string> {
    const response = await fetch(`${this.#url}${path}`, { headers: { authorization: ANYBODY } });
    if (!response.ok) throw new Error(`moto answered ${response.status}`);
    return response.text();
  }

  /** `sink`, looked after: what each of its writes brought is collected. */
  watch(sink: Sink): Sink {
    return {
      name: sink.name,
      batch: sink.batch,
      open: (context) => sink.open(context),
      write: async (batch, signal) => {
        const result = await sink.write(batch, signal);
        await this.collect();
        return result;
      },
      close: (reason) => sink.close(reason),
    };
  }
}

async function createStream(endpoint: string): Promise<void> {
  await fetch(`${endpoint}/${BUCKET}`, { method: 'PUT' });
  const client = new FirehoseClient({ region: REGION, credentials: CREDENTIALS, endpoint });
  const role = 'arn:aws:iam::123456789012:role/any';
  await client.send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: 'events',
      S3DestinationConfiguration: { BucketARN: `arn:aws:s3:::${BUCKET}`, RoleARN: role },
    }),
  );
  client.destroy();
}

async function createFixture(): Promise<SinkFixture> {
  const moto = await MotoServer.start();
  await createStream(moto.endpoint);
  const landing = new Landing(moto.endpoint);
  const link = await CuttableLink.open(() => Number(new URL(moto.endpoint).port));
  const options = { stream: 'events', region: REGION, credentials: CREDENTIALS, endpoint: link.url, deadLetters };
  return {
    create: () => landing.watch(createFirehoseSink({ ...options, clock: new JumpingClock() })),
    read: () => Promise.resolve(landing.lines),
    failOnce: () => link.refuseNext(),
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]();
      await moto[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(!hasMoto)(`with moto ${MOTO}`, () => {
  describeSink('createFirehoseSink() on moto', createFixture);
});
