import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import type { Shard } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/** Whom emulators and fakes take for a caller. */
export const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };
export const REGION = 'eu-central-1';

export interface KinesisRecord {
  readonly key: string;
  readonly data: string;
}

/** A stream as others see it, through the SDK and nothing of ours. */
export class KinesisStream implements Disposable {
  readonly name: string;
  readonly #client: KinesisClient;

  constructor(endpoint: string, name = 'events') {
    this.name = name;
    const requestHandler = new NodeHttpHandler();
    const access = { region: REGION, endpoint, credentials: CREDENTIALS };
    this.#client = new KinesisClient({ ...access, requestHandler, maxAttempts: 1 });
  }

  /** Resolves when the stream, of so many shards, can be written to. */
  async create(shards = 1): Promise<void> {
    await this.#client.send(new CreateStreamCommand({ StreamName: this.name, ShardCount: shards }));
    for (;;) {
      const answer = await this.#client.send(new DescribeStreamSummaryCommand({ StreamName: this.name }));
      if (answer.StreamDescriptionSummary?.StreamStatus === 'ACTIVE') return;
    }
  }

  /** Puts `records` as they are, in one request. */
  async put(records: readonly KinesisRecord[]): Promise<void> {
    const entries = records.map(({ key, data }) => ({ PartitionKey: key, Data: Buffer.from(data) }));
    await this.#client.send(new PutRecordsCommand({ StreamName: this.name, Records: entries }));
  }

  /** All records, shard by shard, each in its order. */
  async read(): Promise<readonly KinesisRecord[]> {
    const { Shards: shards = [] } = await this.#client.send(new ListShardsCommand({ StreamName: this.name }));
    const records: KinesisRecord[] = [];
    for (const shard of shards) records.push(...(await this.#readShard(shard)));
    return records;
  }

  async #readShard({ ShardId }: Shard): Promise<readonly KinesisRecord[]> {
    const where = { StreamName: this.name, ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
    let { ShardIterator } = await this.#client.send(new GetShardIteratorCommand(where));
    const records: KinesisRecord[] = [];
    for (;;) {
      const page = await this.#client.send(new GetRecordsCommand({ ShardIterator }));
      if (page.Records?.length === 0) return records;
      for (const { PartitionKey: key = '', Data } of page.Records ?? [])
        records.push({ key, data: Buffer.from(Data ?? []).toString() });
      ShardIterator = page.NextShardIterator;
    }
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }
}
