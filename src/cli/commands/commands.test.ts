import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { start } from '../../../test/support/cli.js';
import type { TestRun, TestRunOptions } from '../../../test/support/cli.js';
import { generateBlocks, startReplay } from '../replay/index.js';

let cwd = '';
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tidegate-cli-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

const HUB_ENV = { TIDEGATE_HUB_DRAIN_MS: '10' };

function cli(line: readonly string[], options: TestRunOptions = {}): TestRun {
  return start(line, { cwd, ...options });
}

async function startHub(...flags: readonly string[]): Promise<{ hub: TestRun; url: string }> {
  const hub = cli(['serve', '--port', '0', ...flags], { env: HUB_ENV });
  const [, url = ''] = await hub.stdout.until(/"url":"([^"]+)"/);
  return { hub, url };
}

async function run(
  line: readonly string[],
  options: TestRunOptions = {},
): Promise<{ code: number; out: string; err: string }> {
  await using process = cli(line, options);
  const code = await process.exit;
  return { code, out: process.stdout.text, err: process.stderr.text };
}

function lines(text: string): readonly Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** An SSE server that answers with `body` and, unless told otherwise, ends. */
async function serveBody(body: Uint8Array, then: 'end' | 'stay' = 'end'): Promise<{ server: Server; url: string }> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(body);
    if (then === 'end') response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

describe('tidegate serve, publish, subscribe', () => {
  it('let an event through, from one command to the other', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    const published = await run(['publish', 'news', 'Tide is turning', '--event', 'tide', '--url', url]);
    expect([published.code, published.err]).toEqual([0, '']);
    const { code, out } = await run(['subscribe', 'news', '--last', 'all', '--count', '1', '-u', url]);
    expect(code).toBe(0);
    expect(lines(out)).toEqual([{ id: published.out.trim(), type: 'tide', data: 'Tide is turning' }]);
  });

  it('publishes each line of standard input, in order', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    const stdin = 'one\n\ntwo\r\nthree';
    expect((await run(['publish', 'n', '--event', 'tick', '--url', url], { stdin })).code).toBe(0);
    const { out } = await run(['subscribe', 'n', '--last', 'all', '--count', '3', '--url', url]);
    expect(lines(out).map(({ type, data }) => [type, data])).toEqual([
      ['tick', 'one'],
      ['tick', 'two'],
      ['tick', 'three'],
    ]);
  });

  it('publishes JSON event objects, and says which line is none', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    const stdin = '{"data":{"a":1},"event":"e","id":"own"}\n{"data":"text"}\n';
    const good = await run(['publish', 'n', '--ndjson', '--url', url], { stdin });
    expect([good.code, good.err]).toEqual([0, '']);
    const bad = await run(['publish', 'n', '--ndjson', '--url', url], { stdin: '{"data":1}\n{"dat":1}\n' });
    expect([bad.code, bad.err]).toEqual([
      2,
      'error Cannot publish line 2: it has an unknown field "dat" [bad-value]\n',
    ]);
    const { out } = await run(['subscribe', 'n', '--last', 'all', '--count', '2', '--url', url]);
    expect(lines(out).map(({ id, type, data }) => [id === 'own', type, data])).toEqual([
      [true, 'e', '{"a":1}'],
      [false, 'message', 'text'],
    ]);
  });

  it('publishes an SSE body as it comes', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    const stdin = 'event: a\ndata: 1\n\ndata: 2\n\ndata: never ended';
    const { code, err } = await run(['publish', 'n', '--sse', '--url', url], { stdin });
    expect([code, err]).toEqual([0, 'published 2 events\n']);
    const { out } = await run(['subscribe', 'n', '--last', 'all', '--count', '2', '--url', url]);
    expect(lines(out).map(({ type, data }) => [type, data])).toEqual([
      ['a', '1'],
      ['message', '2'],
    ]);
  });

  it('names the channel where there are several', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    await run(['publish', 'a', '1', '--url', url]);
    await run(['publish', 'b', '2', '--url', url]);
    const { out } = await run(['subscribe', 'a', 'b', '--last', 'all', '--count', '2', '--url', url]);
    expect(lines(out).map(({ channel, data }) => [channel, data])).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
  });

  it('prints for people on a terminal, where no event can drive it', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    await run(['publish', 'a', 'clear \u001B[2J\nand more', '--id', '7', '--url', url]);
    const options = { isTTY: true, env: { NO_COLOR: '1' } };
    const { out, err } = await run(['subscribe', 'a', '--last', 'all', '--count', '1', '--url', url], options);
    expect(out).toBe('message  7  clear \\u001b[2J\n    and more\n');
    expect(err).toBe('connected\n');
  });

  it('ends a subscription at Ctrl-C, and when its channel ends', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    await using stopped = cli(['subscribe', 'a', '--url', url]);
    await stopped.stderr.until(/connected/);
    expect(await stopped.interrupt()).toBe(0);
    await using ended = cli(['subscribe', 'b', '--url', url]);
    await ended.stderr.until(/connected/);
    await run(['publish', 'b', 'x', '--url', url]);
    await ended.stdout.until(/"x"/);
    expect((await fetch(`${url}/channels/b`, { method: 'DELETE' })).ok).toBe(true);
    expect(await ended.exit).toBe(0);
    expect(ended.stderr.text).toContain('channel b has ended');
  });

  it('drains at Ctrl-C: the hub stops with 0 and tells its subscribers', async () => {
    const { hub, url } = await startHub();
    await using reader = cli(['subscribe', 'a', '--url', url]);
    await reader.stderr.until(/connected/);
    expect(await hub.interrupt()).toBe(0);
    await reader.stderr.until(/reconnecting/);
    expect(hub.stdout.text).toContain('Hub stopped');
  });

  it.each([
    ['publish', ['publish', 'a', 'x']],
    ['a batch', ['publish', 'a']],
    ['a stream', ['publish', 'a', '--sse']],
  ])('fails with 1 where no hub is: %s', async (_name, line) => {
    const { server, url } = await serveBody(new Uint8Array());
    server.close();
    const { code, err } = await run([...line, '--url', url], { stdin: 'data: x\n\n' });
    expect(code).toBe(1);
    expect(err).toMatch(/^error Cannot publish: .*ECONNREFUSED.*\[unreachable\]\n$/);
  });

  it("says the hub's own reason when it refuses", async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    const { code, err } = await run(['publish', 'a', 'x', '--event', 'tidegate.open', '--url', url]);
    expect(code).toBe(1);
    expect(err).toMatch(/^error Cannot publish: .+\[[a-z-]+\]\n$/);
    expect((await run(['publish', 'a/b', 'x', '--url', url])).err).toContain('[invalid-channel]');
  });

  it('says when the port is in use', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    const { code, err } = await run(['serve', '--port', new URL(url).port]);
    expect(code).toBe(1);
    expect(err).toContain('the port is in use; --port 0 takes any free one');
  });
});

describe('tidegate record, replay', () => {
  it('record a stream and play the same events again', async () => {
    const blocks = generateBlocks({ events: 30 });
    const { server, url } = await serveBody(Buffer.concat(blocks.map((block) => block.bytes)));
    const recorded = await run(['record', `${url}path?token=hunter2`, 'calm.jsonl']);
    expect([recorded.code, recorded.err]).toEqual([
      0,
      expect.stringMatching(/^recorded 30 events, .+, to calm.jsonl\n$/),
    ]);
    const text = readFileSync(join(cwd, 'calm.jsonl'), 'utf8');
    expect(lines(text)[0]).toMatchObject({ tidegate: 'recording', version: 1, url: `${url}path`, status: 200 });
    expect(text).not.toContain('hunter2');
    server.close();

    await using replay = cli(['replay', 'calm.jsonl', '--port', '0', '--end', 'close']);
    const [address = ''] = await replay.stdout.until(/http:\S+/);
    const body = Buffer.from(await (await fetch(address)).arrayBuffer());
    expect(body).toEqual(Buffer.concat(blocks.map((block) => block.bytes)));
    expect(await replay.interrupt()).toBe(0);
  });

  it('does not overwrite a recording unless told to', async () => {
    const { server, url } = await serveBody(Buffer.from('data: new\n\n'));
    writeFileSync(join(cwd, 'old.jsonl'), 'old');
    const { code, err } = await run(['record', url, 'old.jsonl']);
    expect([code, err]).toEqual([1, expect.stringContaining('--force overwrites it [file-exists]')]);
    expect(readFileSync(join(cwd, 'old.jsonl'), 'utf8')).toBe('old');
    expect((await run(['record', url, 'old.jsonl', '--force'])).code).toBe(0);
    expect(readFileSync(join(cwd, 'old.jsonl'), 'utf8')).toContain('data: new');
    server.close();
  });

  it.each([
    ['--events', '1'],
    ['--seconds', '1'],
  ])('stops at %s', async (flag, value) => {
    const { server, url } = await serveBody(Buffer.from('data: 1\n\n'), 'stay');
    const { code, err } = await run(['record', url, 'x.jsonl', flag, value]);
    expect([code, err]).toEqual([0, 'recorded 1 events, 9 B, to x.jsonl\n']);
    server.closeAllConnections();
    server.close();
  });

  it('ends at Ctrl-C with what there is', async () => {
    const { server, url } = await serveBody(Buffer.from('data: 1\n\n'), 'stay');
    await using recording = cli(['record', url, 'x.jsonl'], { isTTY: true });
    await recording.stderr.until(/recording: 1 events/);
    expect(await recording.interrupt()).toBe(0);
    expect(readFileSync(join(cwd, 'x.jsonl'), 'utf8')).toContain('data: 1');
    server.closeAllConnections();
    server.close();
  });

  it('sends credentials as they are, and none of the headers to where it is redirected', async () => {
    const seen: (readonly unknown[])[] = [];
    const { server: target, url } = await serveBody(Buffer.from('data: 1\n\n'));
    target.on('request', ({ headers }: IncomingMessage) => seen.push([headers.authorization, headers['x-token']]));
    const first = createServer(({ headers }, response) => {
      seen.push([headers.authorization, headers['x-token'], headers['user-agent']?.startsWith('tidegate/')]);
      response.writeHead(302, { location: url }).end();
    }).listen(0, '127.0.0.1');
    await once(first, 'listening');
    const address = `127.0.0.1:${(first.address() as AddressInfo).port}`;
    const { code, err } = await run(['record', `http://me:100%@${address}/`, 'x.jsonl', '-H', 'X-Token: hunter2']);
    expect([code, err]).toEqual([0, 'recorded 1 events, 9 B, to x.jsonl\n']);
    expect(seen).toEqual([
      [`Basic ${Buffer.from('me:100%').toString('base64')}`, 'hunter2', true],
      [undefined, undefined],
    ]);
    for (const server of [first, target]) server.close();
  });

  it('says so where --seconds pass without an answer', async () => {
    const server = createServer(() => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { code, err } = await run(['record', url, 'x.jsonl', '--seconds', '1']);
    expect([code, err]).toEqual([1, `error Cannot record ${url}: no answer within 1 s [failed]\n`]);
    server.closeAllConnections();
    server.close();
  });

  it('writes nothing where the server refuses or is not there', async () => {
    const server = createServer((_request, response) => response.writeHead(401).end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const refused = await run(['record', `http://me:hunter2@${url.slice(7)}`, 'x.jsonl']);
    expect([refused.code, refused.err]).toEqual([1, `error Cannot record ${url}: the server answered 401 [failed]\n`]);
    server.close();
    server.closeAllConnections();
    expect((await run(['record', url, 'x.jsonl'])).err).toContain('ECONNREFUSED');
    expect(readdirSync(cwd)).toEqual([]);
  });
});

describe('tidegate ingest', () => {
  it('takes a stream in, to files and to a hub, and resumes where it was', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    const blocks = generateBlocks({ events: 40 });
    const line = ['ingest', '--sink.hub.url', url, '--sink.hub.channel', 'in', '--sink.file.dir', 'archive', '--url'];
    {
      await using first = await startReplay({ blocks: blocks.slice(0, 25), end: '204' });
      expect((await run([...line, first.url])).code).toBe(0);
    }
    await using second = await startReplay({ blocks, end: '204' });
    const resumed = await run([...line, second.url]);
    expect([resumed.code, resumed.err]).toEqual([0, '']);
    expect(second.stats.resumed).toBeGreaterThan(0);
    const archived = readdirSync(join(cwd, 'archive'))
      .filter((name) => name.includes('.ndjson'))
      .toSorted()
      .flatMap((name) => lines(readFileSync(join(cwd, 'archive', name), 'utf8')));
    expect(archived.map((change) => change['id'])).toEqual(blocks.map((_, index) => 1_000_000 + index));
    const { out } = await run(['subscribe', 'in', '--last', 'all', '--count', '40', '--url', url]);
    expect(lines(out).map(({ data }) => (JSON.parse(String(data)) as { id: number }).id)).toEqual(
      blocks.map((_, index) => 1_000_000 + index),
    );
    expect(readdirSync(join(cwd, 'tidegate-data'))).toContain('ingest.checkpoint.json');
  });

  it('shows its progress on a terminal, and sends the headers of a file', async () => {
    const headers: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      headers.push(request.headers.authorization, String(request.headers['x-two']));
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('id: 1\ndata: 1\n\n');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    writeFileSync(join(cwd, 'secret'), '# ours\nAuthorization: Bearer hunter2\nX-Two: 1\n');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const flags = ['--source.headersFile', 'secret', '-H', 'X-Two: 2', '--sink.file.dir', 'a', '--log.level', 'debug'];
    await using ingest = cli(['ingest', '--url', url, ...flags], { isTTY: true });
    await ingest.stderr.until(/● 1 events/);
    expect(await ingest.interrupt()).toBe(0);
    expect(headers.slice(0, 2)).toEqual(['Bearer hunter2', '2']);
    expect(ingest.stdout.text + ingest.stderr.text).not.toContain('hunter2');
    server.closeAllConnections();
    server.close();
  });

  it('leaves a checkpoint alone that another one uses', async () => {
    await using source = await startReplay({ blocks: generateBlocks({ events: 1 }) });
    await using first = cli(['ingest', '--url', source.url, '--sink.file.dir', 'a']);
    await first.stdout.until(/Connected/);
    const { code, err } = await run(['ingest', '--url', source.url, '--sink.file.dir', 'b']);
    expect([code, err]).toEqual([1, expect.stringMatching(/^error Cannot use checkpoint .*\(checkpoint-locked\)/)]);
    expect(await first.interrupt()).toBe(0);
  });

  it('fails with 1 and a reason when the source refuses for good', async () => {
    const server = createServer((_request, response) => response.writeHead(403).end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { code, err } = await run(['ingest', '--url', url, '--sink.file.dir', 'a']);
    expect([code, err]).toEqual([1, expect.stringContaining('(source-refused) [failed]')]);
    server.close();
  });
});

describe('tidegate demo', () => {
  it('runs everything, says where, and goes on where it was', async () => {
    for (const round of [1, 2]) {
      await using demo = cli(['demo', '--port', '0', '--rate', '100']);
      const [, page = '', channel = ''] = await demo.stdout.until(/page +(http:\/\/[^/]+)\/#(\w+)/);
      await demo.stdout.until(/source .*(recorded Wikimedia edits|made-up events)/);
      const { code, out } = await run(['subscribe', channel, '--last', 'all', '--count', '20', '--url', page]);
      expect([round, code, lines(out).length]).toEqual([round, 0, 20]);
      expect(await demo.interrupt()).toBe(0);
      expect(demo.stdout.text).toContain('Stopped.');
      expect(demo.stderr.text).toBe('');
    }
    expect(readdirSync(join(cwd, 'tidegate-data')).some((name) => name.endsWith('.checkpoint.json'))).toBe(true);
  });

  it('says that another one runs in the folder before it prints an address, and takes another folder', async () => {
    await using first = cli(['demo', '--port', '0']);
    await first.stdout.until(/page +http/);
    const { code, out, err } = await run(['demo', '--port', '0']);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/Cannot start the demo: another one runs in .*tidegate-data; stop it, or give --data.dir/);
    await using beside = cli(['demo', '--port', '0', '--data.dir', 'elsewhere']);
    await beside.stdout.until(/page +http/);
    expect([await beside.interrupt(), await first.interrupt()]).toEqual([0, 0]);
  });

  it('takes the next free port, and says so', async () => {
    const { hub, url } = await startHub();
    await using _hub = hub;
    const taken = new URL(url).port;
    await using demo = cli(['demo', '--port', taken]);
    await demo.stdout.until(new RegExp(`port ${taken} is in use, so \\d+ it is`));
    expect(await demo.interrupt()).toBe(0);
  });

  it('takes a real endpoint in, and stays when it ends', async () => {
    await using source = await startReplay({ blocks: generateBlocks({ events: 3 }), end: '204' });
    await using demo = cli(['demo', '--port', '0', '--url', source.url]);
    await demo.stdout.until(/channel +events\n/);
    await demo.stdout.until(/The source has ended/);
    expect(await demo.interrupt()).toBe(0);
  });
});
