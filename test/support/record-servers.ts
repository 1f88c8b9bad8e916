import { afterAll, beforeAll, describe } from 'vitest';
import type { Sink } from '../../src/ingest/index.js';
import { startFakeAws } from './fake-aws.js';
import { Kinesalite } from './kinesalite.js';
import { KinesisStream } from './kinesis-stream.js';
import type { KinesisRecord } from './kinesis-stream.js';
import { Landing } from './landing.js';
import { hasMoto, MOTO, MotoServer } from './moto-server.js';

/** What not every server does as AWS does it. */
export type RecordAbility =
  /** A stream may be named by its ARN. */
  | 'ARNs'
  /** A request has one record at least, and a partition key one character. */
  | 'lengths'
  /** A request has no more than 5 MiB. */
  | 'request bytes'
  /** Requests may come at once: none loses a record of another. */
  | 'concurrency'
  /** Requests to Firehose have limits. */
  | 'Firehose limits';

/** A stream of Kinesis, of one shard, for one test. */
export interface KinesisPlace extends AsyncDisposable {
  readonly endpoint: string;
  readonly stream: string;
  /** All records, in the order of the shard. */
  read(): Promise<readonly KinesisRecord[]>;
}

/** A Firehose stream for one test. */
export interface FirehosePlace extends AsyncDisposable {
  readonly endpoint: string;
  readonly stream: string;
  /** The lines of all that was delivered, in the order of the writes of what was watched. */
  lines(): Promise<readonly string[]>;
  watch(sink: Sink): Sink;
}

interface Host extends AsyncDisposable {
  readonly createKinesis: () => Promise<KinesisPlace>;
  readonly createFirehose?: () => Promise<FirehosePlace>;
}

interface Kind {
  readonly name: string;
  readonly lacks: readonly RecordAbility[];
  readonly hasFirehose: boolean;
  readonly isThere: boolean;
  readonly start: () => Promise<Host>;
}

export interface KinesisServer {
  readonly lacks: readonly RecordAbility[];
  readonly createPlace: () => Promise<KinesisPlace>;
}

export interface FirehoseServer {
  readonly lacks: readonly RecordAbility[];
  readonly createPlace: () => Promise<FirehosePlace>;
}

/** In each test a fake of its own. */
const fakes: Host = {
  async createKinesis() {
    const aws = await startFakeAws();
    const read = (): Promise<readonly KinesisRecord[]> => Promise.resolve(aws.records);
    return { endpoint: aws.url, stream: 'events', read, [Symbol.asyncDispose]: () => aws[Symbol.asyncDispose]() };
  },
  async createFirehose() {
    const aws = await startFakeAws();
    const text = (): string => aws.records.map(({ data }) => data).join('');
    const lines = (): Promise<readonly string[]> => Promise.resolve(text().split('\n').slice(0, -1));
    const dispose = async (): Promise<void> => aws[Symbol.asyncDispose]();
    return { endpoint: aws.url, stream: 'events', lines, watch: (sink) => sink, [Symbol.asyncDispose]: dispose };
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** One server, with a stream for each test. */
function withStreams(server: AsyncDisposable & { readonly endpoint: string }): Required<Host> {
  const { endpoint } = server;
  let streams = 0;
  const nextName = (): string => `events-${(streams += 1)}`;
  return {
    async createKinesis() {
      const stream = new KinesisStream(endpoint, nextName());
      await stream.create();
      const dispose = async (): Promise<void> => stream[Symbol.dispose]();
      return { endpoint, stream: stream.name, read: () => stream.read(), [Symbol.asyncDispose]: dispose };
    },
    async createFirehose() {
      const stream = nextName();
      const landing = await Landing.create(endpoint, stream);
      const dispose = async (): Promise<void> => landing[Symbol.dispose]();
      const seen = { lines: () => landing.lines(), watch: (sink: Sink) => landing.watch(sink) };
      return { endpoint, stream, ...seen, [Symbol.asyncDispose]: dispose };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const KINDS: readonly Kind[] = [
  { name: 'a fake of AWS', lacks: [], hasFirehose: true, isThere: true, start: () => Promise.resolve(fakes) },
  {
    name: 'kinesalite',
    lacks: ['ARNs', 'request bytes'],
    hasFirehose: false,
    isThere: true,
    start: async () => withStreams(await Kinesalite.start()),
  },
  {
    name: `moto ${MOTO}`,
    lacks: ['lengths', 'concurrency', 'Firehose limits'],
    hasFirehose: true,
    isThere: hasMoto,
    start: async () => withStreams(await MotoServer.start()),
  },
];

interface Suites {
  readonly kinesis: (server: KinesisServer) => void;
  readonly firehose: (server: FirehoseServer) => void;
}

function missing(name: string): Promise<never> {
  return Promise.reject(new Error(`${name} has no such service, or is not started`));
}

/** The suites on each server that speaks the protocol of Kinesis, and of Firehose; a server is started once. */
export function describeOnRecordServers({ kinesis, firehose }: Suites): void {
  for (const { name, lacks, hasFirehose, isThere, start } of KINDS)
    describe.skipIf(!isThere)(`on ${name}`, () => {
      let running: Host | undefined;
      beforeAll(async () => {
        running = await start();
      }, 60_000);
      afterAll(() => running?.[Symbol.asyncDispose]());
      kinesis({ lacks, createPlace: () => running?.createKinesis() ?? missing(name) });
      if (hasFirehose) firehose({ lacks, createPlace: () => running?.createFirehose?.() ?? missing(name) });
    });
}
