import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

// It has no types.
const require = createRequire(import.meta.url);
type Start = (options: { readonly createStreamMs: number }) => Server;

/** Whom emulators and fakes take for a caller. */
export const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };
export const REGION = 'eu-central-1';

/** A running kinesalite, an emulator of Kinesis Data Streams, with the one stream `events` of one shard. */
export class Kinesalite implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #client: KinesisClient;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    const endpoint = `http://127.0.0.1:${this.port}`;
    const requestHandler = new NodeHttpHandler();
    this.#client = new KinesisClient({ region: REGION, endpoint, credentials: CREDENTIALS, requestHandler });
  }

  static async start(): Promise<Kinesalite> {
    const create = require('kinesalite') as Start;
    const server = create({ createStreamMs: 0 });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
    const kinesalite = new Kinesalite(server);
    await kinesalite.#createStream();
    return kinesalite;
  }

  /** The data of all records, in the stream's order. */
  async read(): Promise<readonly string[]> {
    const { Shards: [shard] = [] } = await this.#client.send(new ListShardsCommand({ StreamName: 'events' }));
    const ShardId = shard?.ShardId;
    const where = { StreamName: 'events', ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
    let { ShardIterator } = await this.#client.send(new GetShardIteratorCommand(where));
    const texts: string[] = [];
    for (;;) {
      const page = await this.#client.send(new GetRecordsCommand({ ShardIterator }));
      if (page.Records?.length === 0) return texts;
      texts.push(...(page.Records ?? []).map(({ Data }) => Buffer.from(Data ?? []).toString()));
      ShardIterator = page.NextShardIterator;
    }
  }

  async #createStream(): Promise<void> {
    await this.#client.send(new CreateStreamCommand({ StreamName: 'events', ShardCount: 1 }));
    for (;;) {
      const answer = await this.#client.send(new DescribeStreamSummaryCommand({ StreamName: 'events' }));
      if (answer.StreamDescriptionSummary?.StreamStatus === 'ACTIVE') return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}
