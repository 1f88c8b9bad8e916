import { afterAll, beforeAll, describe } from 'vitest';
import { FAKE_PAGE_KEYS, FakeS3 } from './fake-s3.js';
import { hasMinio, MinioServer } from './minio-server.js';
import { hasMoto, MOTO, MOTO_PAGE_KEYS, MotoServer } from './moto-server.js';
import { S3Archive } from './s3-archive.js';
import { S3rver } from './s3rver.js';

/** Of these s3rver knows its own key only, MinIO is started with them, and the others take any. */
export const S3_CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'hush-hush' };

/** What not every server does as AWS does it. */
export type S3Ability =
  /** `If-None-Match` and `If-Match` of a write are kept to. */
  | 'conditions'
  /** Uploads in parts have rules: none under 5 MiB but the last, and those under way are listed and aborted. */
  | 'upload rules'
  /** The parts of an upload are named in their order, and one that was aborted is not there any more. */
  | 'strict uploads'
  /** A listing goes on after its first page. */
  | 'pages';

/** A bucket of its own for one test. */
export interface S3Place extends AsyncDisposable {
  readonly endpoint: string;
  readonly bucket: string;
}

export interface S3Server {
  readonly name: string;
  readonly lacks: readonly S3Ability[];
  /** Keys of one page of a listing. */
  readonly pageKeys: number;
  readonly createPlace: () => Promise<S3Place>;
}

interface S3Kind extends Omit<S3Server, 'createPlace'> {
  readonly isThere: boolean;
  readonly start: () => Promise<S3Host>;
}

interface S3Host extends AsyncDisposable {
  createPlace(): Promise<S3Place>;
}

const PAGE_KEYS = 1000;

/** In each test a fake of its own, whose bucket has a fixed name. */
const fakes: S3Host = {
  async createPlace() {
    const fake = await FakeS3.start();
    const dispose = (): Promise<void> => fake[Symbol.asyncDispose]();
    return { endpoint: fake.endpoint, bucket: 'bucket', [Symbol.asyncDispose]: dispose };
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** One server with a bucket for each test; they go when the server goes. */
function withBuckets({ endpoint }: { readonly endpoint: string }, server: AsyncDisposable): S3Host {
  let buckets = 0;
  return {
    async createPlace() {
      buckets += 1;
      const bucket = `bucket-${buckets}`;
      using archive = new S3Archive(endpoint, bucket, S3_CREDENTIALS);
      await archive.createBucket();
      return { endpoint, bucket, [Symbol.asyncDispose]: () => Promise.resolve() };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function host<T extends AsyncDisposable & { readonly endpoint: string }>(start: () => Promise<T>) {
  const server = await start();
  return withBuckets(server, server);
}

const KINDS: readonly S3Kind[] = [
  { name: 'a fake of S3', lacks: [], pageKeys: FAKE_PAGE_KEYS, isThere: true, start: () => Promise.resolve(fakes) },
  {
    name: `moto ${MOTO}`,
    lacks: ['strict uploads'],
    pageKeys: MOTO_PAGE_KEYS,
    isThere: hasMoto,
    start: () => host(() => MotoServer.start()),
  },
  {
    name: 's3rver',
    lacks: ['conditions', 'upload rules', 'strict uploads', 'pages'],
    pageKeys: PAGE_KEYS,
    isThere: true,
    start: () => host(() => S3rver.start()),
  },
  ...(hasMinio
    ? [
        {
          name: 'MinIO',
          lacks: [],
          pageKeys: PAGE_KEYS,
          isThere: true,
          start: () => host(() => MinioServer.start(S3_CREDENTIALS)),
        },
      ]
    : []),
];

/** `suite` on each server that speaks S3's protocol; a server is started once. */
export function describeOnS3(title: string, suite: (server: S3Server) => void): void {
  for (const { isThere, start, ...kind } of KINDS)
    describe.skipIf(!isThere)(`${title} on ${kind.name}`, () => {
      let running: S3Host | undefined;
      beforeAll(async () => {
        running = await start();
      }, 60_000);
      afterAll(() => running?.[Symbol.asyncDispose]());
      const createPlace = (): Promise<S3Place> =>
        running?.createPlace() ?? Promise.reject(new Error(`${kind.name} is not started`));
      suite({ ...kind, createPlace });
    });
}
