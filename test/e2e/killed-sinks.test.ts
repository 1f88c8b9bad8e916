import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { createSeededRandom } from '../../src/base/index.js';
import { encodeEvent } from '../../src/protocol/index.js';
import { answer, BatchReceiver, tear } from '../support/batch-receiver.js';
import { BuiltCli } from '../support/built-cli.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const EVENTS = 300;
const KILLS = 20;

const idOf = (text: string): number => (JSON.parse(text) as { id: number }).id;
const missing = (ids: readonly number[]): readonly number[] => {
  const there = new Set(ids);
  return Array.from({ length: EVENTS }, (_, id) => id).filter((id) => !there.has(id));
};

test.skipIf(!hasRedis)(
  'a stream with faults to Redis, HTTP and files, its ingest killed 20 times, is all there, in order but for repeats [redis]',
  async () => {
    await using folder = await createTemporaryFolder();
    await using server = await startRedis();
    await using receiver = await BatchReceiver.start();
    const random = createSeededRandom(5);
    const redis = new Redis(server.url);
    const file = join(folder.path, 'stream.sse');
    const events = Array.from({ length: EVENTS }, (_, id) =>
      encodeEvent({ id: `t-${id}`, data: JSON.stringify({ id }) }),
    );
    await writeFile(file, Buffer.concat(events));
    const faults = ['--faults', 'cut,503', '--faultRate', '0.02', '--seed', '7'];
    await using replay = new BuiltCli(['replay', file, '--rate', '100', '--port', '0', ...faults], folder.path);
    const [url] = await replay.until(/http:\/\/127\.0\.0\.1:\d+[^\s"]*/);
    const flags = [
      `ingest --url ${url} --spool.dir spool --checkpoint.redis.url ${server.url} --checkpoint.intervalMs 50`,
      `--sink.redis.url ${server.url} --sink.redis.stream events --sink.file.dir archive`,
      `--sink.http.url ${receiver.url} --sink.http.timeoutMs 500`,
    ];
    const args = flags.flatMap((line) => line.split(' '));
    const inRedis = async (): Promise<readonly number[]> => {
      const entries = await redis.xrange('events', '-', '+');
      return entries.map(([, fields]) => idOf(fields[fields.indexOf('data') + 1] ?? ''));
    };
    const posted = (): readonly number[] => receiver.lines.map(idOf);
    for (let kill = 0; kill < KILLS; kill += 1) {
      if (random() < 0.5) receiver.faults.push(random() < 0.5 ? tear : answer(503));
      await using ingest = new BuiltCli(args, folder.path);
      const goal = Math.min(EVENTS, new Set(await inRedis()).size + 1 + Math.floor(random() * 15));
      await expect
        .poll(async () => new Set(await inRedis()).size, { timeout: 60_000, interval: 5 })
        .toBeGreaterThanOrEqual(goal);
      await ingest.end('SIGKILL');
    }
    await using last = new BuiltCli(args, folder.path);
    await expect.poll(async () => missing(await inRedis()), { timeout: 60_000 }).toEqual([]);
    await expect.poll(() => missing(posted()), { timeout: 60_000 }).toEqual([]);
    expect(await last.end('SIGTERM')).toBe(0);
    const names = (await readdir(join(folder.path, 'archive'))).filter((name) => name.startsWith('ingest-')).toSorted();
    const texts = await Promise.all(names.map((name) => readFile(join(folder.path, 'archive', name), 'utf8')));
    const archived = texts.join('').split('\n').filter(Boolean).map(idOf);
    for (const ids of [await inRedis(), posted(), archived]) {
      expect(missing(ids)).toEqual([]);
      const first = [...new Set(ids)];
      expect(first).toEqual(first.toSorted((one, other) => one - other));
    }
    redis.disconnect();
  },
  180_000,
);

test('what is in the spool on disk comes through a kill, though its source can give nothing again', async () => {
  await using folder = await createTemporaryFolder();
  await using receiver = await BatchReceiver.start();
  receiver.faults.push(...Array<ReturnType<typeof answer>>(1000).fill(answer(503)));
  let connections = 0;
  // Without ids, to the first who comes; the next gets nothing.
  const upstream = createServer((_, response) => {
    connections += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    if (connections > 1) return;
    for (let id = 0; id < EVENTS; id += 1) response.write(encodeEvent({ data: JSON.stringify({ id }) }));
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const args = ['ingest', '--url', url, '--spool.dir', 'spool', '--sink.http.url', receiver.url];
  await using first = new BuiltCli(args, folder.path);
  const spool = join(folder.path, 'spool', 'ingest');
  const spooled = async (): Promise<string> => {
    const names = (await readdir(spool).catch(() => [])).filter((name) => name.endsWith('.log'));
    return (await Promise.all(names.map((name) => readFile(join(spool, name), 'latin1')))).join('');
  };
  await expect.poll(spooled, { timeout: 30_000 }).toContain(`{"id":${EVENTS - 1}}`);
  await first.end('SIGKILL');
  receiver.faults.length = 0;
  expect(receiver.lines).toEqual([]);
  await using second = new BuiltCli(args, folder.path);
  await expect.poll(() => missing(receiver.lines.map(idOf)), { timeout: 30_000 }).toEqual([]);
  expect(await second.end('SIGTERM')).toBe(0);
  upstream.closeAllConnections();
  upstream.close();
}, 90_000);
