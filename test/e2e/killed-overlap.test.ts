import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { BuiltCli } from '../support/built-cli.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const EVENTS = 1600;
const KILLS_AT = [300, 700, 1100];
const EVERY_MS = 5;
/** Every connection is cut after so long, whoever reads. */
const LIFE_MS = 1500;
/** Events of one instant have one id, and a resume goes on behind all of them. */
const PER_INSTANT = 5;

const idOf = (number: number): number => Math.floor(number / PER_INSTANT);
/** As the checkpoint has it. */
const keyOf = (number: number): string => hash('sha256', `"event ${number}"`, 'base64url').slice(0, 11);

const block = (number: number): string =>
  `id: ${idOf(number)}\ndata: {"meta":{"id":"event ${number}"},"n":${number}}\n\n`;

interface Feed extends AsyncDisposable {
  readonly url: string;
  connections: number;
}

/** Wikimedia's ways, made worse. */
async function startFeed(): Promise<Feed> {
  const live = new Set<ServerResponse>();
  let published = 0;
  const server = createServer((request, response) => {
    feed.connections += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const after = request.headers['last-event-id'];
    const from = after === undefined ? 0 : (Number(after) + 1) * PER_INSTANT;
    for (let number = from; number < published; number += 1) response.write(block(number));
    live.add(response);
    const cut = setTimeout(() => response.destroy(), LIFE_MS);
    response.on('close', () => (clearTimeout(cut), live.delete(response)));
  });
  const timer = setInterval(() => {
    if (published === EVENTS) return;
    for (const response of live) response.write(block(published));
    published += 1;
  }, EVERY_MS);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const feed: Feed = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    connections: 0,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return feed;
}

async function archived(folder: string): Promise<readonly number[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /\.ndjson(\.part)?$/.test(name)).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  // Of a line that is being written there is a part.
  const lines = texts.flatMap((text) => text.split('\n').filter((line) => line.endsWith('}')));
  return lines.map((line) => (JSON.parse(line) as { n: number }).n);
}

function countTimes(numbers: readonly number[]): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const number of numbers) times.set(number, (times.get(number) ?? 0) + 1);
  return times;
}

/** How often each event is in the archive of which the checkpoint says that it is. */
async function timesOfKnown(checkpoint: string, archive: string): Promise<ReadonlyMap<number, number>> {
  const { keys } = JSON.parse(await readFile(checkpoint, 'utf8')) as { keys: string };
  const known = new Set(keys.match(/.{11}/g));
  return new Map([...countTimes(await archived(archive))].filter(([number]) => known.has(keyOf(number))));
}

test('a feed that cuts every connection and whose ids are coarse is all in the archive, its ingest killed three times', async () => {
  await using folder = await createTemporaryFolder();
  await using feed = await startFeed();
  const archive = join(folder.path, 'archive');
  const args = ['ingest', '--url', feed.url, '--sink.file.dir', archive, '--checkpoint.intervalMs', '50'];
  const resume = ['--dedupe.key', '/meta/id', '--source.overlapMs', '1s', '--source.renewAfterMs', '300ms'];
  const checkpoint = join(folder.path, 'tidegate-data', 'ingest.checkpoint.json');
  const distinct = async (): Promise<number> => new Set(await archived(archive)).size;
  const known: ReadonlyMap<number, number>[] = [];
  for (const events of [...KILLS_AT, EVENTS]) {
    await using ingest = new BuiltCli([...args, ...resume], folder.path);
    await expect.poll(distinct, { timeout: 60_000, interval: 20 }).toBeGreaterThanOrEqual(events);
    const saved = async (): Promise<number> => (await timesOfKnown(checkpoint, archive).catch(() => new Map())).size;
    await expect.poll(saved, { timeout: 10_000, interval: 20 }).toBeGreaterThan(100);
    expect(await ingest.end(events < EVENTS ? 'SIGKILL' : 'SIGTERM')).toBe(events < EVENTS ? null : 0);
    if (events < EVENTS) known.push(await timesOfKnown(checkpoint, archive));
  }
  const all = await archived(archive);
  expect(new Set(all).size).toBe(EVENTS);
  // Twice is only what was written since the last checkpoint when it was killed.
  const times = countTimes(all);
  for (const before of known) {
    expect(before.size).toBeGreaterThan(100);
    expect([...before].filter(([number, count]) => times.get(number) !== count)).toEqual([]);
  }
  expect(feed.connections).toBeGreaterThan(KILLS_AT.length + 2);
}, 120_000);
