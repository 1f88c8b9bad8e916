import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { createHub, listen } from '../../src/hub/index.js';
import type { HubOptions } from '../../src/hub/index.js';
import { start } from '../support/cli.js';
import { ManualClock } from '../support/clocks.js';
import { SourceCli } from '../support/source-cli.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const HAS_IPV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const DRAIN = ['--hub.drainMs', '10'];

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The answer to a request on a Unix socket, its body not read yet. */
async function ask(socketPath: string, path: string, { method = 'GET', headers = {}, body }: Asked = {}) {
  const asked = requestHttp({ socketPath, path, method, headers: { Host: 'hub.example', ...headers }, agent: false });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return response;
}

const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } });

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += String(part);
  return text;
}

async function untilText(response: IncomingMessage, pattern: RegExp): Promise<void> {
  let text = '';
  response
    .setEncoding('utf8')
    .on('data', (part: string) => (text += part))
    .on('error', () => undefined);
  await expect.poll(() => text).toMatch(pattern);
}

describe.skipIf(!HAS_IPV6)('tidegate serve --http.host', () => {
  test.each(['::1', '[::1]'])('%s listens there, needs no --insecure, and shows a URL that works', async (host) => {
    await using hub = start(['serve', '--port', '0', '--http.host', host, ...DRAIN]);
    const [, url = ''] = await hub.stdout.until(/"url":"([^"]+)"/);
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'ok' });
  });

  test('[::1] of a port that is in use is shown so', async () => {
    const taken = createServer().listen(0, '::1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await using hub = start(['serve', '--port', String(port), '--http.host', '::1']);
    expect(await hub.exit).toBe(1);
    expect(hub.stderr.text).toContain(`Cannot listen on [::1]:${port}: the port is in use`);
    taken.close();
  });
});

describe('tidegate serve --http.host unix:', () => {
  test('listens on a socket that its group may use, counts as local, and is gone with it', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'hub.sock');
    await using hub = start(['serve', '--http.host', `unix:${path}`, ...DRAIN]);
    const [line = ''] = await hub.stdout.until(/.*Hub listening.*/);
    expect(JSON.parse(line)).toMatchObject({ url: `unix:${path}` });
    expect(line).not.toContain('"page"');
    const { mode } = await stat(path);
    expect([(mode & 0o777).toString(8), mode & 0o170_000]).toEqual(['660', 0o140_000]);
    const stream = await ask(path, '/subscribe/a');
    expect((await ask(path, '/publish/a', { method: 'POST', body: 'hello' })).statusCode).toBe(200);
    await untilText(stream, /data: hello/);
    expect(await hub.interrupt()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test('takes the place of a socket that nobody answers on, and of no other', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'hub.sock');
    const args = ['serve', '--http.host', `unix:${path}`, ...DRAIN];
    await using killed = new SourceCli(args, { cwd: folder.path });
    await killed.until(/Hub listening/);
    await using second = start(args);
    expect(await second.exit).toBe(1);
    expect(second.stderr.text).toContain(`Cannot listen on unix:${path}: another process answers there`);
    await killed.end('SIGKILL');
    expect(existsSync(path)).toBe(true);
    await using third = start(args);
    await third.stdout.until(/Hub listening/);
    expect((await ask(path, '/health')).statusCode).toBe(200);
  }, 60_000);

  test.each([
    ['a file that is no socket', 'hub.sock', 'that file exists and is no socket'],
    ['a folder that does not exist', 'none/hub.sock', 'its folder does not exist'],
    ['a path that is too long', `${'x'.repeat(120)}.sock`, 'is empty or too long'],
  ])('says in one sentence that there is %s', async (_name, file, reason) => {
    await using folder = await createTemporaryFolder();
    await writeFile(join(folder.path, 'hub.sock'), 'precious');
    await using hub = start(['serve', '--http.host', `unix:${join(folder.path, file)}`]);
    expect(await hub.exit).toBe(1);
    expect(hub.stderr.text).toContain(reason);
    expect((await stat(join(folder.path, 'hub.sock'))).size).toBe(8);
  });

  test.each([
    [['serve', '--workers', '2'], 'a Unix socket belongs to one process'],
    [['demo'], 'only tidegate serve can use a Unix socket'],
  ])('is refused by %s', async (verb, reason) => {
    await using hub = start([...verb, '--http.host', 'unix:/nowhere/hub.sock']);
    expect(await hub.exit).toBe(2);
    expect(hub.stderr.text).toContain(reason);
  });
});

async function serve(options: HubOptions) {
  const folder = await createTemporaryFolder();
  const path = join(folder.path, 'hub.sock');
  const hub = createHub(options);
  const server = await listen(hub, { host: `unix:${path}` });
  expect([server.url, server.port]).toEqual([`unix:${path}`, 0]);
  const close = async (): Promise<void> => {
    await hub.close();
    await server.close();
    await folder[Symbol.asyncDispose]();
  };
  return { path, [Symbol.asyncDispose]: close };
}

describe('on a Unix socket,', () => {
  test('the proxy is believed if loopback is trusted, and limits count its clients', async () => {
    await using hub = await serve({ trustedProxies: ['loopback'], limits: { connectionsPerAddress: 1 } });
    expect((await ask(hub.path, '/subscribe/a', from('203.0.113.1'))).statusCode).toBe(200);
    expect((await ask(hub.path, '/subscribe/a', from('203.0.113.1'))).statusCode).toBe(429);
    expect((await ask(hub.path, '/subscribe/a', from('203.0.113.2'))).statusCode).toBe(200);
  });

  test('all clients have one address if it is not', async () => {
    await using hub = await serve({
      limits: { connectionsPerAddress: 1, publishPerSecond: 1 },
      clock: new ManualClock(),
    });
    expect((await ask(hub.path, '/subscribe/a', from('203.0.113.1'))).statusCode).toBe(200);
    const refused = await ask(hub.path, '/subscribe/a', from('203.0.113.2'));
    expect(JSON.parse(await textOf(refused))).toMatchObject({ code: 'too-many-connections-from-address' });
    const publish = () => ask(hub.path, '/publish/a', { method: 'POST', body: 'x', ...from('203.0.113.3') });
    const [first, second] = await Promise.all([publish(), publish()]);
    expect(new Set([first.statusCode, second.statusCode])).toEqual(new Set([200, 429]));
  });
});

test('SIGHUP drains a hub before it ends', async () => {
  await using folder = await createTemporaryFolder();
  await using hub = new SourceCli(['serve', '--port', '0', '--hub.drainMs', '200'], { cwd: folder.path });
  const [, url = ''] = await hub.until(/"url":"([^"]+)"/);
  const stream = await fetch(`${url}/subscribe/a`);
  const text = stream.text();
  expect(await hub.end('SIGHUP')).toBe(0);
  expect(await text).toContain('"code":"draining"');
  expect(hub.output).toContain('Hub stopped');
}, 60_000);
