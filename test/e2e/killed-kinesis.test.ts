import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSeededRandom } from '../../src/base/index.js';
import { encodeEvent } from '../../src/protocol/index.js';
import { BuiltCli } from '../support/built-cli.js';
import * as fake from '../support/fake-aws.js';
import type { AwsFault, FakeAws } from '../support/fake-aws.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const EVENTS = 400;
const KILLS = 20;
const KEYS = 5;
/** Each of these is too large for Kinesis. */
const LARGE_EVERY = 40;
const FAULTS: readonly AwsFault[] = [
  fake.throttle,
  fake.internalFailure,
  fake.unavailable,
  fake.tear,
  fake.loseAnswer,
  fake.hang,
  fake.failSome((at) => at % 2 === 1),
];

// The AWS SDK takes them from the environment by itself.
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterEach(() => vi.unstubAllEnvs());

/** A fifth of all requests fails, each in another way. */
function misbehave(aws: FakeAws, random: () => number): void {
  aws.onPut = () => {
    const fault = FAULTS[Math.floor(random() * FAULTS.length * 5)];
    if (fault !== undefined) aws.faults.push(fault);
  };
}

const idOf = (text: string): number => (JSON.parse(text) as { id: number }).id;
const idsIn = (aws: FakeAws): readonly number[] => aws.records.map(({ data }) => idOf(data));

test('a stream with faults to Kinesis and Firehose with faults, its ingest killed 20 times, is all there', async () => {
  await using folder = await createTemporaryFolder();
  await using kinesis = await fake.startFakeAws();
  await using firehose = await fake.startFakeAws();
  const random = createSeededRandom(11);
  misbehave(kinesis, random);
  misbehave(firehose, random);
  const file = join(folder.path, 'stream.sse');
  const events = Array.from({ length: EVENTS }, (_, id) => {
    const data = JSON.stringify({ id, key: `k${id % KEYS}`, text: 'x'.repeat(id % LARGE_EVERY === 7 ? 5000 : 100) });
    return encodeEvent({ id: `t-${id}`, data });
  });
  await writeFile(file, Buffer.concat(events));
  const faults = ['--faults', 'cut,503,duplicate', '--faultRate', '0.02', '--seed', '7'];
  await using replay = new BuiltCli(['replay', file, '--rate', '100', '--port', '0', ...faults], folder.path);
  const [url] = await replay.until(/http:\/\/127\.0\.0\.1:\d+[^\s"]*/);
  const flags = [
    `ingest --url ${url} --region eu-central-1 --checkpoint.intervalMs 50`,
    `--stream events --sink.kinesis.endpoint ${kinesis.url} --sink.kinesis.timeoutMs 500`,
    '--sink.kinesis.partitionKey /key --sink.kinesis.order key --sink.kinesis.recordBytes 2KiB',
    `--sink.firehose.stream events --sink.firehose.endpoint ${firehose.url}`,
    '--sink.firehose.region eu-central-1 --sink.firehose.timeoutMs 500',
  ];
  const args = flags.flatMap((line) => line.split(' '));
  const count = (): number => Math.max(new Set(idsIn(kinesis)).size, new Set(idsIn(firehose)).size);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await using ingest = new BuiltCli(args, folder.path);
    const goal = Math.min(EVENTS, count() + 1 + Math.floor(random() * 20));
    await expect.poll(count, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(goal);
    await ingest.end('SIGKILL');
  }
  await using last = new BuiltCli(args, folder.path);
  const all = Array.from({ length: EVENTS }, (_, id) => id);
  const large = all.filter((id) => id % LARGE_EVERY === 7);
  const missing = (aws: FakeAws): readonly number[] => all.filter((id) => !idsIn(aws).includes(id));
  await expect.poll(() => missing(firehose), { timeout: 60_000 }).toEqual([]);
  await expect.poll(() => missing(kinesis), { timeout: 60_000 }).toEqual(large);
  expect(await last.end('SIGTERM')).toBe(0);
  const dead = await readFile(join(folder.path, 'tidegate-data', 'ingest.dead-letters.ndjson'), 'utf8');
  const letters = dead
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { rawData: string });
  const deadIds = letters.map(({ rawData }) => idOf(Buffer.from(rawData, 'base64').toString()));
  expect([...new Set(deadIds)].toSorted((one, other) => one - other)).toEqual(large);
  for (const key of Array.from({ length: KEYS }, (_, at) => `k${at}`)) {
    const ids = new Set(kinesis.records.filter((each) => each.key === key).map(({ data }) => idOf(data)));
    expect([...ids]).toEqual([...ids].toSorted((one, other) => one - other));
  }
}, 180_000);
