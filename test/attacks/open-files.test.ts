import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { describe, expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';
import { SourceCli } from '../support/source-cli.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import type { TemporaryFolder } from '../support/temporary-folder.js';
import { createCapturingLogger } from '../support/capturing-logger.js';

const FILES = 256;
const TIMEOUT_MS = 60_000;
const SUBSCRIBE = 'GET /subscribe/a HTTP/1.1\r\nHost: x\r\n\r\n';

async function serve(folder: TemporaryFolder): Promise<{ readonly hub: SourceCli; readonly port: number }> {
  const hub = new SourceCli(['serve', '--port', '0'], { cwd: folder.path, before: `ulimit -n ${FILES}` });
  const [, url = ''] = await hub.until(/"url":"([^"]+)"/);
  return { hub, port: Number(new URL(url).port) };
}

interface Client {
  readonly socket: Socket;
  text: string;
}

function open(port: number, request: string): Client {
  const client: Client = { socket: connect(port, '127.0.0.1'), text: '' };
  client.socket.on('error', () => undefined).on('data', (bytes: Buffer) => (client.text += bytes.toString('latin1')));
  if (request !== '') client.socket.write(request);
  return client;
}

/** Status and body of a request with a connection of its own. */
async function ask(port: number, method: string, path: string, body = ''): Promise<string> {
  const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`;
  const client = open(port, head + body);
  await once(client.socket, 'close');
  return client.text;
}

const count = (clients: readonly Client[], pattern: RegExp): number =>
  clients.filter(({ text }) => pattern.test(text)).length;

const isSettled = ({ text, socket }: Client): boolean => text !== '' || socket.closed;

/** User and system time that a process has used. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** What must work however full the process is. */
async function expectOperable(port: number): Promise<void> {
  expect(await ask(port, 'GET', '/health')).toContain('{"status":"ok"}');
  expect(await ask(port, 'POST', '/publish/a', 'still here')).toMatch(/^HTTP\/1\.1 200/);
  expect(await ask(port, 'GET', '/metrics')).toMatch(/^tidegate_refusals_total\{code="too-many-connections"\} \d+/m);
}

describe(`a hub that may open ${FILES} files`, () => {
  test(
    'says so, and refuses streams in words while it still answers everything else',
    async () => {
      await using folder = await createTemporaryFolder();
      const { hub, port } = await serve(folder);
      await using _hub = hub;
      expect(hub.output).toMatch(/limits\.connections is lowered to 1\d\d: this process may open 256 files/);
      const clients = Array.from({ length: 400 }, () => open(port, SUBSCRIBE));
      const answered = (): number => count(clients, /tidegate\.live/) + count(clients, /"code":"too-many-connections"/);
      await expect
        .poll(() => answered() + clients.filter(({ socket }) => socket.closed).length, { timeout: 20_000 })
        .toBeGreaterThanOrEqual(400);
      const held = Number(/lowered to (\d+)/.exec(hub.output)?.[1]);
      expect(count(clients, /tidegate\.live/)).toBe(held);
      expect(count(clients, /"code":"too-many-connections"/)).toBeGreaterThan(0);
      await expectOperable(port);
      await expect.poll(() => count(clients, /data: still here/)).toBe(held);
      expect(hub.output.match(/This process is full/g)).toHaveLength(1);
      for (const { socket } of clients) socket.destroy();
      await expect.poll(() => ask(port, 'GET', '/metrics')).toMatch(/^tidegate_subscribers 0$/m);
      const after = open(port, SUBSCRIBE);
      await expect.poll(() => after.text).toMatch(/tidegate\.live/);
      after.socket.destroy();
    },
    TIMEOUT_MS,
  );

  test(
    'is not shut by connections that say nothing, nor by ones that said something once',
    async () => {
      await using folder = await createTemporaryFolder();
      const { hub, port } = await serve(folder);
      await using _hub = hub;
      const streams = Array.from({ length: 100 }, () => open(port, SUBSCRIBE));
      await expect.poll(() => count(streams, /tidegate\.live/)).toBe(100);
      const silent = Array.from({ length: 600 }, () => open(port, ''));
      await Promise.all(
        silent.map(async ({ socket }) => socket.connecting && once(socket, 'connect').catch(() => undefined)),
      );
      expect(await ask(port, 'GET', '/health')).toContain('{"status":"ok"}');
      const idle = Array.from({ length: 600 }, () => open(port, 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n'));
      // While they come in their hundreds, any new connection may have to go; then all must be well.
      await expect.poll(() => idle.every(isSettled), { timeout: 10_000 }).toBe(true);
      expect(count(idle, /"ok"/)).toBeGreaterThan(100);
      expect(await ask(port, 'GET', '/health')).toContain('{"status":"ok"}');
      expect(await ask(port, 'POST', '/publish/a', 'through')).toMatch(/^HTTP\/1\.1 200/);
      // Those that subscribed first were never touched.
      await expect.poll(() => count(streams, /data: through/)).toBe(100);
      const before = cpuMsOf(hub.pid);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(cpuMsOf(hub.pid) - before).toBeLessThan(500);
      for (const { socket } of [...streams, ...silent, ...idle]) socket.destroy();
    },
    TIMEOUT_MS,
  );
});

test('a stream that ends makes room for another, and the log says once that there is none', async () => {
  const logger = createCapturingLogger();
  await using hub = await HubServer.start({ connectionsHere: 20, logger });
  const clients = Array.from({ length: 30 }, () => open(hub.port, SUBSCRIBE));
  await expect.poll(() => count(clients, /too-many-connections/)).toBe(10);
  expect(count(clients, /tidegate\.live/)).toBe(20);
  for (let round = 0; round < 30; round += 1) {
    clients.find(({ text, socket }) => text.includes('tidegate.live') && !socket.destroyed)?.socket.destroy();
    await expect
      .poll(async () => {
        const next = open(hub.port, SUBSCRIBE);
        clients.push(next);
        await expect.poll(() => next.text).toMatch(/tidegate\.live|too-many/);
        return next.text;
      })
      .toContain('tidegate.live');
  }
  expect(logger.lines.filter(({ message }) => message.includes('full'))).toHaveLength(1);
  for (const { socket } of clients) socket.destroy();
});
