import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { start } from '../../../test/support/cli.js';
import type { TestRun, TestRunOptions } from '../../../test/support/cli.js';
import { startProxy } from '../../../test/support/proxy.js';
import { hasRedis, startRedis, tell } from '../../../test/support/redis-server.js';
import { cut, serve, startUpstream, status } from '../../../test/support/upstream.js';
import type { Step } from '../../../test/support/upstream.js';

let cwd = '';
beforeEach(() => (cwd = mkdtempSync(join(tmpdir(), 'tidegate-'))));
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

function ingest(flags: readonly string[], options: TestRunOptions = {}): TestRun {
  return start(['ingest', '--sink.file.dir', 'archive', ...flags], { cwd, ...options });
}

/** Every line of the archive. */
function archived(): readonly string[] {
  const folder = join(cwd, 'archive');
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  return names.toSorted().flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1));
}

function keep(seen: string[], answer: Step): Step {
  const note = async (request: IncomingMessage): Promise<void> => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''} ${await text(request)}`.trim());
  };
  return (response, request) => {
    const noted = note(request).then(() => answer(response, request));
    void noted;
  };
}

const event = (n: number): string => `id: ${n}\ndata: {"id":${n}}\n\n`;
const line = (fields: object): string => `${JSON.stringify(fields)}\n`;

describe('tidegate ingest: sources', () => {
  it('takes standard input in, without what is not wanted of it', async () => {
    const stdin =
      line({ kind: 'edit', user: 'Ada', n: 1 }) +
      line({ kind: 'edit', user: 'Ada', n: 1 }) +
      line({ kind: 'log', user: 'Bob', n: 2 }) +
      line({ kind: 'edit', user: 'Bot', n: 3 }) +
      line({ kind: 'edit', domain: 'canary', n: 4 }) +
      line({ kind: 'edit', user: 'Eve', n: 5, ip: '1.2.3.4' });
    const filters = ['--filter.match', '/user!=Bot', '--types', 'edit', '--filter.canary', '/domain=canary'];
    const fields = ['--filter.maskFields', '/user', '--filter.dropFields', '/ip,/kind', '--dedupe.key', '/n'];
    await using run = ingest(['--source.stdin', '--source.typeField', '/kind', ...filters, ...fields], { stdin });
    expect(await run.exit).toBe(0);
    expect(archived()).toEqual(['{"user":"***","n":1}', '{"user":"***","n":5}']);
  });

  it('says in a dead letter which source it came from', async () => {
    await using upstream = await startUpstream(status(422));
    const flags = ['--sink.http.url', upstream.url, '--deadLetter.file', 'dead.ndjson'];
    await using run = ingest(['--source.stdin', ...flags], { stdin: line({ n: 1 }) });
    expect(await run.exit).toBe(0);
    expect(JSON.parse(readFileSync(join(cwd, 'dead.ndjson'), 'utf8'))).toMatchObject({ source: 'stdin' });
  });

  it('takes a file in, and only what is new of it the next time', async () => {
    writeFileSync(join(cwd, 'in.sse'), 'data: 1\n\ndata: 2\n\n');
    // A file of that name is no NDJSON.
    const flags = ['--source.file', 'in.sse'];
    await using first = ingest(flags);
    expect(await first.exit).toBe(0);
    writeFileSync(join(cwd, 'in.sse'), 'data: 1\n\ndata: 2\n\ndata: 3\n\n');
    await using second = ingest(flags);
    expect(await second.exit).toBe(0);
    expect(archived()).toEqual(['1', '2', '3']);
  });

  it('posts, says where to start, and reads its token again where it is refused', async () => {
    const seen: string[] = [];
    writeFileSync(join(cwd, 'token'), 'first\n');
    const refuse: Step = (response, request) => {
      writeFileSync(join(cwd, 'token'), 'second\n');
      status(401)(response, request);
    };
    await using upstream = await startUpstream(
      keep(seen, refuse),
      keep(seen, serve('id: 1\ndata: a\n\n')),
      keep(seen, status(204)),
    );
    const query = ['--source.startQuery', 'since=2026-11-20', '--source.resumeQuery', 'after={id}'];
    const flags = ['--url', upstream.url, '--source.tokenFile', 'token', '--source.body', '{"q":"private"}', ...query];
    await using run = ingest([...flags, '--log.level', 'debug']);
    expect(await run.exit).toBe(0);
    expect(archived()).toEqual(['"a"']);
    expect(seen).toEqual([
      'POST /stream?since=2026-11-20 Bearer first {"q":"private"}',
      'POST /stream?since=2026-11-20 Bearer second {"q":"private"}',
      'POST /stream?after=1 Bearer second {"q":"private"}',
    ]);
    expect(run.stdout.text + run.stderr.text).not.toMatch(/first|second|private/);
  });

  it('asks a command for the token, and does not repeat what it says', async () => {
    await using upstream = await startUpstream(serve('data: a\n\n'));
    const command = 'if [ -e again ]; then echo "t0ken"; else touch again; echo "s3cret" >&2; exit 3; fi';
    await using run = ingest(['--url', upstream.url, '--source.tokenCommand', command, '--log.level', 'debug']);
    expect(await run.exit).toBe(0);
    expect(upstream.requests[0]).toMatchObject({ authorization: 'Bearer t0ken' });
    expect(run.stdout.text).toContain('source.tokenCommand failed (3)');
    expect(run.stdout.text + run.stderr.text).not.toMatch(/t0ken|s3cret/);
  });

  it('goes back a little and drops what it has', async () => {
    await using upstream = await startUpstream(cut(event(1) + event(2)), serve(event(2) + event(3)));
    const flags = ['--dedupe.key', '/id', '--source.overlapMs', '1m', '--source.renewAfterMs', '14m'];
    await using run = ingest(['--url', upstream.url, ...flags]);
    expect(await run.exit).toBe(0);
    expect(upstream.requests[1]).toMatchObject({ 'last-event-id': '1' });
    expect(archived()).toEqual(['{"id":1}', '{"id":2}', '{"id":3}']);
  });

  it('goes through the proxy of the environment, and says so without its password', async () => {
    await using upstream = await startUpstream(serve(event(1)));
    await using proxy = await startProxy({ to: upstream.url });
    const env = { HTTP_PROXY: proxy.url };
    await using run = ingest(['--url', 'http://feed.example/stream'], { env });
    expect(await run.exit).toBe(0);
    expect(archived()).toEqual(['{"id":1}']);
    expect(proxy.asked[0]).toBe('GET http://feed.example/stream');
    expect(proxy.authorizations[0]).toBe(`Basic ${btoa('user:pass')}`);
    const said = run.stdout.text.split('\n').find((each) => each.includes('through a proxy')) ?? '';
    expect(JSON.parse(said)).toMatchObject({
      proxy: proxy.url.replace('user:pass@', '') + '/',
      from: 'variable HTTP_PROXY',
    });
    expect(run.stdout.text + run.stderr.text).not.toContain('pass');
  });

  it.skipIf(!hasRedis)('takes a Redis stream in, and goes on where it was', async () => {
    await using redis = await startRedis();
    const flags = ['--source.redis.url', redis.url, '--source.redis.stream', 's', '--checkpoint.intervalMs', '0'];
    for (const n of [1, 2]) {
      const answer = await tell(redis.port, `XADD s * data ${n}`);
      const id = /\d+-\d+/.exec(answer)?.[0] ?? 'none';
      await using run = ingest(flags);
      while (!checkpoint().includes(id)) await new Promise((resolve) => setImmediate(resolve));
      expect(await run.interrupt()).toBe(0);
    }
    expect(archived()).toEqual(['1', '2']);
  });

  it.each([
    [
      'two sources',
      ['--source.stdin', '--source.file', 'a'],
      'together with source.stdin (flag --source.stdin): only one',
    ],
    ['HTTP settings of a file', ['--source.file', 'a', '--source.proxy', 'http://x:1'], 'it is for HTTP'],
    ['half an identity', ['--url', 'http://x', '--source.tls.cert', 'c'], 'needed together'],
    ['a stream of no Redis', ['--source.redis.stream', 's'], 'give --source.redis.url'],
    ['an overlap without a key', ['--url', 'http://x', '--source.overlapMs', '5s'], 'without dedupe.key'],
    ['a condition of nothing', ['--url', 'http://x', '--filter.match', 'wiki=a'], 'each item such as type=edit'],
    ['a body with GET', ['--url', 'http://x', '--source.method', 'GET', '--source.body', 'b'], 'body with GET'],
    ['a CA that is none', ['--url', 'http://x', '--source.tls.ca', 'ca'], 'Cannot read source.tls.ca'],
  ])('refuses %s', async (_, flags, said) => {
    await using run = ingest(flags);
    expect(await run.exit).not.toBe(0);
    expect(run.stderr.text).toContain(said);
  });
});

function checkpoint(): string {
  const path = join(cwd, 'tidegate-data', 'ingest.checkpoint.json');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
