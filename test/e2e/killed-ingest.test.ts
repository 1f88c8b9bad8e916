import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { expect, test } from 'vitest';

import { encodeEvent } from '../../src/protocol/index.js';
import { BuiltCli } from '../support/built-cli.js';
import { HubServer } from '../support/hub-server.js';
import { hasRecordedData, RECORDED, recordedPath } from '../support/recorded-data.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const EVENTS = 100;
const KILLS_AT = [20, 45, 70];

const idOf = (record: string): string => (JSON.parse(record) as { meta: { id: string } }).meta.id;

async function archived(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const texts = names
    .filter((name) => /\.ndjson(\.gz|\.part)?$/.test(name))
    .map(async (name) => {
      const bytes = await readFile(join(folder, name));
      return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
    });
  return (await Promise.all(texts)).flatMap((text) => text.split('\n').filter((line) => line !== ''));
}

async function published(hub: HubServer): Promise<readonly string[]> {
  const { body } = await hub.get('/channels/wiki/history?limit=1000');
  return ((body['events'] ?? []) as readonly { data: string }[]).map(({ data }) => data);
}

/** Replays `file` with every fault there is, kills the ingest three times, and looks at what is left. */
async function surviveKills(file: string): Promise<void> {
  await using folder = await createTemporaryFolder();
  await using hub = await HubServer.start();
  const faults = ['--faults', 'cut,503,stall,duplicate', '--faultRate', '0.03', '--seed', '7', '--stallMs', '1500'];
  await using replay = new BuiltCli(['replay', file, '--rate', '40', '--port', '0', ...faults], folder.path);
  const [url] = await replay.until(/http:\/\/127\.0\.0\.1:\d+[^\s"]*/);
  const archive = join(folder.path, 'archive');
  const args = ['ingest', '--url', url, '--source.idleTimeoutMs', '1s', '--checkpoint.intervalMs', '50'];
  const sinks = [
    '--sink.file.dir',
    archive,
    '--sink.file.gzip',
    '--sink.file.rotateBytes',
    '30000',
    '--sink.hub.url',
    hub.url,
    '--sink.hub.channel',
    'wiki',
  ];
  const count = async (): Promise<number> => new Set((await published(hub)).map(idOf)).size;
  for (const events of [...KILLS_AT, EVENTS]) {
    await using ingest = new BuiltCli([...args, ...sinks], folder.path);
    await expect.poll(count, { timeout: 60_000, interval: 20 }).toBeGreaterThanOrEqual(events);
    if (events < EVENTS) {
      await ingest.end('SIGKILL');
      continue;
    }
    await expect.poll(async () => new Set((await archived(archive)).map(idOf)).size, { timeout: 10_000 }).toBe(EVENTS);
    expect(await ingest.end('SIGTERM')).toBe(0);
  }
  expect(new Set((await published(hub)).map(idOf)).size).toBe(EVENTS);
  expect(new Set((await archived(archive)).map(idOf)).size).toBe(EVENTS);
}

test.skipIf(!hasRecordedData)(
  `a recorded stream with faults, its ingest killed three times, is all in the archive and in the hub ${RECORDED}`,
  () => expect(surviveKills(recordedPath('wikimedia', 'recentchange.derived.sse'))).resolves.toBeUndefined(),
  180_000,
);

test('a made-up stream with faults, its ingest killed three times, is all in the archive and in the hub', async () => {
  await using folder = await createTemporaryFolder();
  const file = join(folder.path, 'stream.sse');
  const events = Array.from({ length: EVENTS }, (_, at) =>
    encodeEvent({ id: `t-${at}`, data: JSON.stringify({ meta: { id: `event ${at}` }, text: 'x'.repeat(500) }) }),
  );
  await writeFile(file, Buffer.concat(events));
  await expect(surviveKills(file)).resolves.toBeUndefined();
}, 180_000);
