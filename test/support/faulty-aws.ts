import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { FaultyGateway } from './faulty-gateway.js';
import type { Division, Mishap, Passage } from './faulty-gateway.js';
import type { InputStream } from './input-streams.js';
import { Kinesalite } from './kinesalite.js';
import { KinesisStream, REGION } from './kinesis-stream.js';
import { MotoServer } from './moto-server.js';
import { S3Archive } from './s3-archive.js';

const MISHAPS: readonly Mishap[] = ['refused', 'torn', 'answer-lost', 'unanswered', 'in-part'];
/** One request in so many fails, each in another way. */
const MISHAP_EVERY = 10;

interface PutRecords {
  readonly Records?: readonly { readonly Data: string; readonly PartitionKey: string }[];
}

interface PutAnswer {
  readonly Records?: readonly { readonly ErrorCode?: string }[];
}

/** Of a PutRecords, every second record is refused, as by a shard that is too busy; of other requests none is. */
function refuseEverySecond(body: Buffer): Division | undefined {
  const put = JSON.parse(body.toString()) as PutRecords;
  const records = put.Records ?? [];
  if (records.length < 2) return undefined;
  return {
    body: Buffer.from(JSON.stringify({ ...put, Records: records.filter((_, at) => at % 2 === 0) })),
    answer(bytes) {
      const kept = (JSON.parse(bytes.toString()) as PutAnswer).Records ?? [];
      const refused = { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'Rate exceeded' };
      const all = records.map((_, at) => (at % 2 === 0 ? kept[at / 2] : refused));
      return Buffer.from(JSON.stringify({ FailedRecordCount: Math.floor(records.length / 2), Records: all }));
    },
  };
}

/**
 * A Kinesis stream `events` (kinesalite) and a bucket `bucket` (moto), each behind a gateway that loses requests
 * and answers, and their own counts of the events that arrived, by the identity in the data.
 */
export class FaultyAws implements AsyncDisposable {
  /** Of the process that writes now, for `unexplained`: a new one may put again what the last had not noted. */
  life = 1;
  /** Put again by the process that had been told that it is there. */
  readonly unexplained: string[] = [];
  /** Milliseconds: of what a process was told and another put again, how long before its end the first knew. */
  repeatedAfterMs = 0;
  /** What Kinesis has. */
  readonly seen = new Set<string>();
  readonly kinesis: FaultyGateway;
  readonly s3: FaultyGateway;
  /** Of the bucket itself, past the gateway. */
  readonly archive: S3Archive;
  /** The same of the stream. */
  readonly stream: KinesisStream;
  readonly s3Endpoint: string;
  /** By identity: when which process was told that it is there, for the last time. */
  readonly #told = new Map<string, { readonly life: number; readonly at: number }>();
  /** When each process was ended. */
  readonly #ends = new Map<number, number>();
  readonly #input: InputStream;
  readonly #servers: Servers;

  private constructor(input: InputStream, servers: Servers, gateways: Gateways) {
    this.#input = input;
    this.#servers = servers;
    this.kinesis = gateways.kinesis;
    this.s3 = gateways.s3;
    this.s3Endpoint = servers.moto.endpoint;
    this.archive = new S3Archive(servers.moto.endpoint);
    this.stream = new KinesisStream(servers.kinesalite.endpoint);
  }

  static async start(input: InputStream, random: () => number): Promise<FaultyAws> {
    const decide = (): Mishap | undefined => MISHAPS[Math.floor(random() * MISHAPS.length * MISHAP_EVERY)];
    const servers = { moto: await MotoServer.start(), kinesalite: await Kinesalite.start() };
    const kinesis = await FaultyGateway.start(servers.kinesalite.endpoint, {
      decide,
      divide: refuseEverySecond,
      onPassage: (passage) => aws.#notePut(passage),
      onAnswered: (passage) => aws.#noteAnswer(passage),
    });
    const s3 = await FaultyGateway.start(servers.moto.endpoint, { decide });
    const aws: FaultyAws = new FaultyAws(input, servers, { kinesis, s3 });
    await aws.stream.create();
    await aws.archive.createBucket();
    return aws;
  }

  /** Where ingest finds them. */
  get flags(): readonly string[] {
    const kinesis = `--sink.kinesis.stream events --sink.kinesis.region ${REGION} --sink.kinesis.endpoint ${this.kinesis.url}`;
    const s3 = `--sink.s3.bucket bucket --sink.s3.endpoint ${this.s3.url} --sink.s3.prefix data/`;
    return `${kinesis} --sink.kinesis.timeoutMs 1s ${s3} --sink.s3.timeoutMs 1s`.split(' ');
  }

  /** What is in the stream, record by record. */
  async readKinesis(): Promise<readonly string[]> {
    return (await this.stream.read()).map(({ data }) => this.#input.identityOf(data));
  }

  /** What is in the bucket, object by object, as one finds it who knows nothing of manifests. */
  async readS3(): Promise<readonly string[]> {
    const objects = await this.archive.objects('data/');
    const data = await Promise.all(objects.map(({ key, body }) => dataIn(key, body)));
    return data.flat().map((text) => this.#input.identityOf(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.archive[Symbol.dispose]();
    this.stream[Symbol.dispose]();
    await this.kinesis[Symbol.asyncDispose]();
    await this.s3[Symbol.asyncDispose]();
    await this.#servers.kinesalite[Symbol.asyncDispose]();
    await this.#servers.moto[Symbol.asyncDispose]();
  }

  /** The process that writes was ended; the next one writes from now on. */
  endLife(): void {
    this.#ends.set(this.life, Date.now());
    this.life += 1;
  }

  #notePut(passage: Passage): void {
    for (const id of this.#idsIn(passage)) {
      this.seen.add(id);
      const told = this.#told.get(id);
      if (told === undefined) continue;
      if (told.life === this.life) this.unexplained.push(id);
      this.repeatedAfterMs = Math.max(this.repeatedAfterMs, (this.#ends.get(told.life) ?? 0) - told.at);
    }
  }

  #noteAnswer(passage: Passage): void {
    for (const id of this.#idsIn(passage)) this.#told.set(id, { life: this.life, at: Date.now() });
  }

  #idsIn({ body }: Passage): readonly string[] {
    const { Records: records = [] } = JSON.parse(body.toString()) as PutRecords;
    return records.map(({ Data }) => this.#input.identityOf(Buffer.from(Data, 'base64').toString()));
  }
}

interface Servers {
  readonly moto: MotoServer;
  readonly kinesalite: Kinesalite;
}

interface Gateways {
  readonly kinesis: FaultyGateway;
  readonly s3: FaultyGateway;
}

async function dataIn(key: string, body: Buffer): Promise<readonly string[]> {
  if (!key.endsWith('.parquet')) return gunzipSync(body).toString().trimEnd().split('\n');
  const { buffer, byteOffset, byteLength } = new Uint8Array(body);
  const file = buffer.slice(byteOffset, byteOffset + byteLength);
  const rows = await parquetReadObjects({ file, compressors: { GZIP: (bytes) => gunzipSync(bytes) } });
  return rows.map((row) => String(row['data']));
}
