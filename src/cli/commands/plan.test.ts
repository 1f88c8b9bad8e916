import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { start } from '../../../test/support/cli.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import type { TemporaryFolder } from '../../../test/support/temporary-folder.js';
import { hold, startUpstream } from '../../../test/support/upstream.js';
import type { PipelinePlan } from '../plan/plan.js';

let folder: TemporaryFolder;
beforeEach(async () => {
  folder = await createTemporaryFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

interface Planned {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function plan(...flags: readonly string[]): Promise<Planned> {
  await using run = start(['plan', ...flags], { cwd: folder.path });
  return { code: await run.exit, out: run.stdout.text, err: run.stderr.text };
}

async function planJson(...flags: readonly string[]): Promise<PipelinePlan> {
  const { out } = await plan(...flags, '--json');
  const [first] = (JSON.parse(out) as { readonly pipelines: readonly PipelinePlan[] }).pipelines;
  if (first === undefined) throw new Error('There is no plan');
  return first;
}

const SOURCE = ['--url', 'http://ada:hunter2@127.0.0.1:9/stream?token=hunter3'];
const S3 = ['--sink.s3.bucket', 'bucket'];
const KINESIS = ['--sink.kinesis.stream', 'events', '--sink.kinesis.region', 'eu-central-1'];
const codes = ({ warnings }: PipelinePlan): readonly string[] => warnings.map(({ code }) => code);

/** A body of `count` events; each third has no user. */
function body(count: number, userOf: (at: number) => string): string {
  return Array.from({ length: count }, (_, at) => {
    const data = JSON.stringify(at % 3 === 0 ? { at } : { at, user: userOf(at) });
    return `id: ${at}\nevent: ${at % 2 === 0 ? 'edit' : 'log'}\ndata: ${data}\n\n`;
  }).join('');
}

describe('tidegate plan', () => {
  it('shows keys as they come out, with the seed’s own prefix warned about, and writes nothing', async () => {
    const planned = await planJson(...SOURCE, ...S3);
    const now = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
    expect(planned.s3?.key).toMatch(new RegExp(`^sse-data${now}/\\d\\d/ingest-[0-9-]+-[0-9a-f]{16}\\.ndjson\\.gz$`));
    expect(planned.s3?.manifestKey).toBe(`sse-manifest/${planned.s3?.key ?? ''}.json`);
    expect(planned.s3?.errorPrefix).toMatch(/^sse-errorkinesis-failed\//);
    expect(codes(planned)).toContain('prefix-without-slash');
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('is content with a prefix that ends with a slash', async () => {
    const prefixes = ['--sink.s3.prefix', 'news/', '--sink.s3.errorPrefix', 'errors/'];
    const planned = await planJson(...SOURCE, ...S3, ...prefixes, '--sink.s3.format', 'parquet');
    expect(planned.s3?.key).toMatch(/^news\/\d{4}\/\d\d\/\d\d\/\d\d\/ingest-.*\.parquet$/);
    expect(planned.warnings).toEqual([]);
    expect((await plan(...SOURCE, ...S3, ...prefixes, '--strict')).code).toBe(0);
  });

  it('never shows a secret', async () => {
    const { out, err, code } = await plan(...SOURCE, ...S3, '-H', 'Authorization: hunter4');
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('http://127.0.0.1:9/stream');
    expect(out).not.toContain('hunter');
  });

  it('names the proxy that the environment has, and no password of it', async () => {
    const flags = ['plan', '--url', 'https://feed.example/', '--sink.stdout'];
    const env = { HTTPS_PROXY: 'http://ada:hunter2@proxy.example:3128' };
    await using run = start(flags, { cwd: folder.path, env });
    expect(await run.exit).toBe(0);
    expect(run.stdout.text).toContain('http://proxy.example:3128/ (variable HTTPS_PROXY)');
    expect(run.stdout.text).not.toContain('hunter2');
    await using without = start([...flags, '--source.proxy', 'none'], { cwd: folder.path, env });
    expect(await without.exit).toBe(0);
    expect(without.stdout.text).not.toContain('proxy');
  });

  it('spreads a sample over shards by its partition key', async () => {
    await writeFile(
      join(folder.path, 'body.sse'),
      body(300, (at) => `user ${at % 97}`),
    );
    const key = ['--sink.kinesis.partitionKey', '/user', '--sample', 'body.sse', '--shards', '3'];
    const planned = await planJson(...SOURCE, ...KINESIS, ...key);
    expect(planned.sample).toMatchObject({ events: 300, kept: 300, withoutId: 0 });
    expect(planned.kinesis?.shards).toHaveLength(3);
    expect(planned.kinesis?.shards.reduce((sum, count) => sum + count, 0)).toBe(300);
    expect(planned.kinesis?.withoutValue).toBe(100);
    expect(codes(planned)).toEqual(['no-partition-value']);
  });

  it('warns of a hot shard, of events that are too large or without an id, and of a filter that keeps none', async () => {
    await writeFile(
      join(folder.path, 'hot.sse'),
      body(300, () => 'ada'),
    );
    const sample = ['--sample', 'hot.sse'];
    const hot = await planJson(...SOURCE, ...KINESIS, ...sample, '--sink.kinesis.partitionKey', '/user');
    expect(codes(hot)).toContain('hot-shard');
    expect(hot.kinesis?.topKey).toEqual({ key: 'ada', events: 200 });
    const none = await planJson(...SOURCE, ...KINESIS, ...sample, '--types', 'other');
    expect(codes(none)).toEqual(['nothing-kept']);
    await writeFile(join(folder.path, 'large.sse'), `data: ${'x'.repeat(2000)}\n\n`);
    const large = await planJson(...SOURCE, ...KINESIS, '--sample', 'large.sse', '--sink.kinesis.recordBytes', '1KiB');
    expect(codes(large)).toEqual(['too-large', 'no-ids']);
  });

  it('counts what reaches the sinks by the rules of ingest', async () => {
    await writeFile(
      join(folder.path, 'body.sse'),
      body(30, () => 'ada') + body(2, () => 'ada') + 'event: edit\ndata: {"at":31,"meta":{"canary":true}}\n\n',
    );
    const rules = ['--types', 'edit', '--filter.match', '/user', '--filter.canary', '/meta/canary=true'];
    const flags = [...SOURCE, ...KINESIS, '--sample', 'body.sse', ...rules, '--dedupe.key', '/at'];
    const mask = ['--filter.maskFields', '/user', '--sink.kinesis.partitionKey', '/user'];
    const planned = await planJson(...flags, ...mask);
    expect(planned.sample).toMatchObject({ events: 33, kept: 10, canaries: 1, repeats: 0 });
    expect(planned.kinesis?.topKey).toEqual({ key: '***', events: 10 });
    const { out } = await plan(...flags);
    expect(out).toMatch(/\n +filter +types edit {2}\/user {2}canaries \/meta\/canary=true {2}repeats by \/at\n/);
    expect(out).toMatch(/\n +sample +33 events, 10 kept, 1 canaries, the largest/);
    const again = await planJson(...SOURCE, ...KINESIS, '--sample', 'body.sse', '--dedupe.key', '/at');
    expect(again.sample).toMatchObject({ kept: 31, repeats: 2 });
  });

  const lines = Array.from({ length: 20 }, (_, at) => JSON.stringify({ at, kind: at % 2 === 0 ? 'edit' : 'log' }));
  const stream = lines.map((line) => `data: ${line}\n\n`).join('');
  it.each([
    ['lines', 'in.ndjson', lines.join('\n'), [], 0],
    ['lines of a source that grows', 'in.txt', `\n${lines.join('\n')}`, ['--source.growing'], 0],
    ['compressed lines', 'in.ndjson.gz', gzipSync(lines.join('\n')), [], 0],
    ['an event stream', 'in.txt', stream, [], 10],
    ['a compressed event stream', 'in.gz', gzipSync(stream), ['--source.format', 'sse'], 10],
  ])('takes a sample of %s', async (_, name, content, flags, withoutId) => {
    await writeFile(join(folder.path, name), content);
    const fields = ['--source.typeField', '/kind', '--source.idField', '/at', '--types', 'edit,message', ...flags];
    const planned = await planJson(...SOURCE, '--sink.stdout', '--sample', name, '--events', '10', ...fields);
    const kept = withoutId === 0 ? 5 : 10;
    expect(planned.sample).toMatchObject({ events: 10, kept, withoutId });
  });

  it.each([
    ['is not there', 'none', '', 'Cannot read "', 'ENOENT'],
    ['is torn', 'torn.gz', gzipSync(lines.join('\n')).subarray(0, -9), 'Cannot take a sample of', 'unexpected end'],
    ['holds no event', 'empty.sse', ': nothing\n', 'Cannot replay', 'no complete event'],
  ])('says so where the sample %s', async (_, name, content, ...words) => {
    if (content.length > 0) await writeFile(join(folder.path, name), content);
    const { code, err } = await plan(...SOURCE, '--sink.stdout', '--sample', name);
    expect(code).toBe(1);
    for (const word of words) expect(err).toContain(word);
    expect(err).toContain('unreadable-file');
  });

  it('warns of a file that other workers may not find', async () => {
    const file = ['--source.file', 'in.ndjson', '--sink.stdout'];
    expect(codes(await planJson(...file))).toEqual([]);
    expect(codes(await planJson(...file, '--leases.url', 'redis://127.0.0.1:9'))).toEqual(['local-source']);
  });

  it('draws types and shards as bars', async () => {
    await writeFile(
      join(folder.path, 'body.sse'),
      body(300, () => 'ada'),
    );
    const flags = [...SOURCE, ...KINESIS, '--sample', 'body.sse', '--sink.kinesis.partitionKey', 'type'];
    const { out } = await plan(...flags, '--shards', '2');
    expect(out).toMatch(/\n {4}types +edit {2}█{32} {2}50 % {2}150\n +log {3}█{32} {2}50 % {2}150\n/);
    expect(out).toMatch(/\n {4}shards +2 by type, 2 keys, most often edit \(150\)\n +1 {2}[█ ]{32} +\d+ % {2}\d+\n/);
    const many = (await plan(...flags, '--shards', '100')).out;
    expect(many).toContain('100 by type, 2 keys, most often edit (150); the fullest:\n');
    expect(many.split('\n').length).toBeLessThan(40);
  });

  it('says where state and refused events are kept', async () => {
    const state = ['--checkpoint.redis.url', 'redis://:hunter2@cache:6379', '--spool.dir', 's'];
    const { out, err } = await plan(...SOURCE, ...KINESIS, '--sink.stdout', ...state);
    expect(err).toBe('');
    expect(out).toContain('redis://cache:6379 tidegate:checkpoint:ingest\n');
    expect(out).toContain(`, 1 GiB in ${join(folder.path, 's', 'ingest')}\n`);
    expect(out).toContain(`dead letters ${join(folder.path, 'tidegate-data', 'ingest.dead-letters.ndjson')}\n`);
    expect(out).toMatch(/→ stdout\n/);
    const s3 = await plan(...SOURCE, ...S3, '--checkpoint.s3.bucket', 'state');
    expect([s3.out, s3.err]).toEqual([expect.stringContaining('s3://state/tidegate/ingest.checkpoint.json'), '']);
  });

  it('listens to the source itself, and keeps nothing of it', async () => {
    await using upstream = await startUpstream(hold(body(20, () => 'ada')));
    const flags = ['--url', upstream.url, '--sink.file.dir', './archive', '--live', '--events', '10'];
    const planned = await planJson(...flags, '--types', 'edit');
    expect(planned.sample).toMatchObject({ events: 10, kept: 5 });
    expect(upstream.requests.map((headers) => headers['last-event-id'])).toEqual([undefined]);
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('plans each pipeline of a file, and says for people what it says for machines', async () => {
    const file = [
      'leases.url: redis://:hunter2@127.0.0.1:9',
      'pipelines:',
      '  a: {source.url: http://feeds.example/a, sink.file.dir: ./a, source.headers: ["X: hunter2"]}',
      '  b: {source.url: https://feeds.example/b, sink.hub: {url: http://127.0.0.1:8080, channel: news}}',
    ].join('\n');
    await writeFile(join(folder.path, 'tidegate.yaml'), file);
    const { code, out } = await plan();
    expect(code).toBe(0);
    expect(out).toMatch(/^a\n {2}source +http:\/\/feeds.example\/a\n/);
    expect(out).toMatch(/\nb\n[^]*→ hub +url http:\/\/127.0.0.1:8080\/ {2}channel news\n/);
    expect(out).toMatch(/warning +Headers go to feeds.example without TLS[^\n]*\[plain-http\]/);
    expect(out).toMatch(/checkpoint +redis:\/\/127.0.0.1:9 a\n/);
    expect(out).not.toContain('hunter2');
    const strict = await plan('--strict');
    expect([strict.code, strict.err]).toEqual([1, 'error There are 2 warnings [failed]\n']);
  });

  it.each([
    ['no sink', SOURCE, 'Cannot ingest without a sink'],
    ['a prefix that is not understood', [...SOURCE, ...S3, '--sink.s3.prefix', '!{hour}/'], '!{hour}'],
    ['two samples', [...SOURCE, ...S3, '--sample', 'x', '--live'], 'only one of the two'],
  ])('exits 2 with %s, as ingest would', async (_what, flags, words) => {
    const { code, err } = await plan(...flags);
    expect(code).toBe(2);
    expect(err).toContain(words);
  });
});
