import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSeededRandom } from '../../src/base/index.js';
import { BuiltCli } from '../support/built-cli.js';
import { FaultyAws } from '../support/faulty-aws.js';
import { inputStreams, longStream } from '../support/input-streams.js';
import type { InputStream } from '../support/input-streams.js';
import { CREDENTIALS } from '../support/kinesis-stream.js';
import { MOTO } from '../support/moto-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

/** With `npm run test:full`: all of the long stream, and a minute that takes a minute. */
const IS_LONG = process.env['TIDEGATE_TEST_LONG'] === '1';
const EVENTS = IS_LONG ? Infinity : 3000;
const KILLS = 20;
const DEAD_MS = 60_000;

// The AWS SDK takes them from the environment by itself.
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', CREDENTIALS.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', CREDENTIALS.secretAccessKey);
});
afterEach(() => vi.unstubAllEnvs());

interface Feed extends AsyncDisposable {
  readonly url: string;
  /** The identities of all events, in their order. */
  readonly ids: readonly string[];
}

interface FeedOptions {
  /** How long the whole of it takes. */
  readonly seconds: number;
  readonly faults?: boolean;
}

async function startFeed(input: InputStream, folder: string, options: FeedOptions): Promise<Feed> {
  const file = join(folder, 'stream.sse');
  const ids = await input.write(file, EVENTS);
  const rate = ['--rate', String(Math.ceil(ids.length / options.seconds))];
  const faults = ['--faults', 'cut,503,duplicate', '--faultRate', String(10 / ids.length), '--seed', '7'];
  const replay = new BuiltCli(
    ['replay', file, '--port', '0', ...rate, ...(options.faults === true ? faults : [])],
    folder,
  );
  const [url] = await replay.until(/http:\/\/127\.0\.0\.1:\d+[^\s"]*/);
  return { url, ids, [Symbol.asyncDispose]: () => replay[Symbol.asyncDispose]() };
}

interface Verified {
  readonly exitCode: number | null;
  readonly events: number;
  readonly findings: readonly { readonly kind: string }[];
}

async function verify(endpoint: string, cwd: string): Promise<Verified> {
  const place = ['--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', endpoint];
  await using cli = new BuiltCli(['verify', ...place, '--deep', '--json'], cwd);
  const exitCode = await cli.exited;
  const [line = ''] = /^\{.*\}$/m.exec(cli.output) ?? [];
  return { ...(JSON.parse(line) as Omit<Verified, 'exitCode'>), exitCode };
}

/** Ends the run and compares what was sent with what two independent counts and `tidegate verify` find. */
async function expectAllThere(aws: FaultyAws, feed: Feed, cwd: string): Promise<void> {
  const sorted = feed.ids.toSorted();
  const inS3 = await aws.readS3();
  expect(inS3.toSorted()).toEqual(sorted);
  expect(await verify(aws.s3Endpoint, cwd)).toMatchObject({ exitCode: 0, events: inS3.length, findings: [] });
  const inKinesis = await aws.readKinesis();
  expect([...new Set(inKinesis)].toSorted()).toEqual(sorted);
  expect(aws.unexplained).toEqual([]);
  const mishaps = JSON.stringify({ kinesis: [...aws.kinesis.mishaps], s3: [...aws.s3.mishaps] });
  if (IS_LONG) console.log(`${inS3.length} events in S3, ${inKinesis.length} records in Kinesis, ${mishaps}`);
}

interface Landing {
  readonly format: string;
  readonly flags: readonly string[];
  /** Kinesis gets again only what it acknowledged so short before a kill. */
  readonly repeatedWithinMs: number;
}

// All that S3 had not acknowledged.
const fromMemory: Landing = {
  format: 'Parquet, its spool in memory',
  flags: ['--sink.s3.format', 'parquet'],
  repeatedWithinMs: Infinity,
};
// What it acknowledged itself after the last save, of which there is one each 100 ms.
const fromDisk: Landing = {
  format: 'gzipped NDJSON, its spool on disk',
  flags: ['--spool.dir', 'spool'],
  repeatedWithinMs: 1000,
};
const CASES = inputStreams.map((input) => ({ input, landing: input === longStream ? fromDisk : fromMemory }));

test.each(CASES)(
  `$input.name through Kinesis and S3 as $landing.format, with faults and 20 kills: each once in S3, at least once in Kinesis ${MOTO}`,
  async ({ input, landing }) => {
    const random = createSeededRandom(23);
    await using folder = await createTemporaryFolder();
    await using aws = await FaultyAws.start(input, random);
    await using feed = await startFeed(input, folder.path, { seconds: 10, faults: true });
    const resume = ['--dedupe.key', input.pointer, '--source.overlapMs', '200', '--checkpoint.intervalMs', '100'];
    const args = ['ingest', '--url', feed.url, ...resume, ...aws.flags, '--sink.s3.rotateMs', '300', ...landing.flags];
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await using ingest = new BuiltCli(args, folder.path);
      const goal = Math.floor((feed.ids.length * (kill - random())) / KILLS);
      await expect.poll(() => aws.seen.size, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(goal);
      // Anywhere between two objects, and in the middle of one.
      await pause(random() * 400);
      await ingest.end('SIGKILL');
      aws.endLife();
    }
    await using last = new BuiltCli(args, folder.path);
    const count = async (): Promise<number> => (await aws.readS3()).length;
    await expect.poll(count, { timeout: 90_000, interval: 500 }).toBeGreaterThanOrEqual(feed.ids.length);
    await expect.poll(() => aws.seen.size, { timeout: 60_000 }).toBe(feed.ids.length);
    expect(await last.end('SIGTERM')).toBe(0);
    await expectAllThere(aws, feed, folder.path);
    expect(aws.repeatedAfterMs).toBeLessThan(landing.repeatedWithinMs);
  },
  300_000,
);

test.each(IS_LONG ? [longStream] : [])(
  `while S3 is dead for a minute, $name goes on to Kinesis, and afterwards is all in S3 ${MOTO}`,
  async (input) => {
    await using folder = await createTemporaryFolder();
    await using aws = await FaultyAws.start(input, () => 1);
    await using feed = await startFeed(input, folder.path, { seconds: DEAD_MS / 1000 });
    const args = ['ingest', '--url', feed.url, ...aws.flags, '--sink.s3.rotateMs', '300'];
    await using ingest = new BuiltCli(args, folder.path);
    await expect.poll(() => aws.seen.size, { timeout: 30_000 }).toBeGreaterThan(0);
    await expect.poll(() => aws.s3.passages, { timeout: 30_000 }).toBeGreaterThan(3);
    aws.s3.isDead = true;
    const before = (await aws.readS3()).length;
    const seenBefore = aws.seen.size;
    await pause(DEAD_MS);
    expect((await aws.readS3()).length).toBe(before);
    expect(aws.seen.size - seenBefore).toBeGreaterThan(0.8 * (feed.ids.length - seenBefore));
    aws.s3.isDead = false;
    const count = async (): Promise<number> => (await aws.readS3()).length;
    await expect.poll(count, { timeout: 90_000, interval: 500 }).toBe(feed.ids.length);
    expect(await ingest.end('SIGTERM')).toBe(0);
    await expectAllThere(aws, feed, folder.path);
    expect((await aws.readKinesis()).length).toBe(feed.ids.length);
  },
  300_000,
);
