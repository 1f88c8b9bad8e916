import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { start } from '../support/cli.js';
import { HubServer } from '../support/hub-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import type { TemporaryFolder } from '../support/temporary-folder.js';

let folder: TemporaryFolder;
let hub: HubServer;
beforeEach(async () => {
  folder = await createTemporaryFolder();
  hub = await HubServer.start({ drainMs: 0 });
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

interface Block {
  readonly channel?: string;
  readonly more?: string;
}

/** Writes a configuration: a pipeline for each name, from the channel of that name into the folder of that name. */
async function configure(blocks: Readonly<Record<string, Block>>, head = ''): Promise<void> {
  const texts = Object.entries(blocks).map(([name, { channel = name, more = '' }]) =>
    [
      `  ${name}:`,
      `    source.url: ${hub.url}/subscribe/${channel}?last=all`,
      `    sink.file.dir: ./${name}`,
      more,
    ].join('\n'),
  );
  await writeFile(join(folder.path, 'tidegate.yaml'), `${head}\npipelines:\n${texts.join('\n')}\n`);
}

async function archived(name: string): Promise<readonly string[]> {
  const dir = join(folder.path, name);
  const names = await readdir(dir).catch(() => []);
  const texts = await Promise.all(
    names.filter((file) => /\.ndjson(\.part)?$/.test(file)).map((file) => readFile(join(dir, file), 'utf8')),
  );
  return texts.flatMap((text) => text.split('\n').filter((line) => line !== ''));
}

async function untilArchived(name: string, lines: readonly string[]): Promise<void> {
  await expect.poll(() => archived(name), { timeout: 10_000, interval: 20 }).toEqual(lines);
}

const checkpointOf = async (name: string): Promise<string> =>
  (
    JSON.parse(await readFile(join(folder.path, 'tidegate-data', `${name}.checkpoint.json`), 'utf8')) as {
      lastEventId: string;
    }
  ).lastEventId;

describe('tidegate ingest', () => {
  it('runs all pipelines of its file, and one that fails does not stop the others', async () => {
    await configure({ a: {}, b: {}, dead: { channel: 'a/b/c' } });
    await using ingest = start(['ingest'], { cwd: folder.path });
    await hub.publish('a', '1');
    await hub.publish('b', '2');
    await untilArchived('a', ['1']);
    await untilArchived('b', ['2']);
    await ingest.stdout.until(/"pipeline":"dead","code":"source-refused".*tried again later/);
    await hub.publish('a', '3');
    await untilArchived('a', ['1', '3']);
    expect(await ingest.interrupt()).toBe(0);
  });

  it('reloads on SIGHUP: unchanged ones go on untouched, removed ones leave nothing unwritten', async () => {
    // Only the end of b saves its checkpoint.
    const rarely = { more: '    checkpoint.intervalMs: 1h' };
    await configure({ a: {}, b: rarely, c: {} });
    await using ingest = start(['ingest'], { cwd: folder.path });
    for (const name of ['a', 'b', 'c']) {
      await hub.publish(name, `${name}1`);
      await untilArchived(name, [`"${name}1"`]);
    }
    const { body } = await hub.publish('b', 'b2');
    await untilArchived('b', ['"b1"', '"b2"']);
    await configure({ a: {}, c: { more: '    sink.file.rotateBytes: 1000' }, d: {} });
    ingest.hangUp();
    await ingest.stdout.until(/"started":\["d"\],"changed":\["c"\],"stopped":\["b"\].*Configuration reloaded/);
    expect(await checkpointOf('b')).toBe(body['id']);
    for (const name of ['a', 'b', 'c', 'd']) await hub.publish(name, `${name}3`);
    await untilArchived('a', ['"a1"', '"a3"']);
    await untilArchived('d', ['"d3"']);
    await untilArchived('c', ['"c1"', '"c3"']);
    expect(await archived('b')).toEqual(['"b1"', '"b2"']);
    const connects = (name: string): number =>
      ingest.stdout.text
        .split('\n')
        .filter((line) => line.includes('Connected') && line.includes(`"pipeline":"${name}"`)).length;
    expect(['a', 'b', 'c', 'd'].map(connects)).toEqual([1, 1, 2, 1]);
    expect(await ingest.interrupt()).toBe(0);
  });

  it.each([
    ['with a misspelt key', '    spol.events: 5', 'spol.events'],
    ['with a prefix that is not understood', '    sink.s3: {bucket: bucket, prefix: "!{hour}/"}', '!{hour}'],
    ['with a headers file that is not there', '    source.headersFile: ./nowhere', 'nowhere'],
  ])('refuses a file %s whole when it reloads, and the old one goes on', async (_what, more, words) => {
    await configure({ a: {}, b: {} });
    await using ingest = start(['ingest'], { cwd: folder.path });
    await hub.publish('a', '1');
    await untilArchived('a', ['1']);
    await configure({ b: { more }, c: {} });
    ingest.hangUp();
    const [line] = await ingest.stdout.until(/.*Cannot reload the configuration; the old one goes on/);
    expect(line).toContain(words);
    for (const name of ['a', 'b', 'c']) await hub.publish(name, '2');
    await untilArchived('a', ['1', '2']);
    await untilArchived('b', ['2']);
    expect(await archived('c')).toEqual([]);
    expect(await ingest.interrupt()).toBe(0);
  });

  it.each([
    ['is gone', (path: string) => rm(path)],
    ['is a folder', async (path: string) => (await rm(path), await mkdir(path))],
    ['is no YAML', (path: string) => writeFile(path, 'pipelines: {a: [')],
    ['is empty', (path: string) => writeFile(path, '')],
  ])('goes on with what it has where the file %s when it reloads', async (_, spoil) => {
    await configure({ a: {} });
    await using ingest = start(['ingest'], { cwd: folder.path });
    await hub.publish('a', '1');
    await untilArchived('a', ['1']);
    await spoil(join(folder.path, 'tidegate.yaml'));
    ingest.hangUp();
    await ingest.stdout.until(/Cannot reload the configuration; the old one goes on/);
    await hub.publish('a', '2');
    await untilArchived('a', ['1', '2']);
    expect(await ingest.interrupt()).toBe(0);
  });

  it('takes a file that is read once for a part of the settings when it reloads', async () => {
    const body = join(folder.path, 'body');
    await writeFile(body, 'first');
    // A hub does not answer a POST like this with a stream: it is tried again, while b goes on.
    await configure({ a: { more: '    source.bodyFile: ./body' }, b: {} });
    await using ingest = start(['ingest'], { cwd: folder.path });
    await hub.publish('b', '1');
    await untilArchived('b', ['1']);
    await writeFile(body, 'second');
    ingest.hangUp();
    await ingest.stdout.until(/"started":\[\],"changed":\["a"\],"stopped":\[\]/);
    expect(await ingest.interrupt()).toBe(0);
  });

  it('says what a reload cannot change', async () => {
    await configure({ a: {} });
    await using ingest = start(['ingest'], { cwd: folder.path });
    await hub.publish('a', '1');
    await untilArchived('a', ['1']);
    await configure({ a: {} }, 'log.level: debug');
    ingest.hangUp();
    await ingest.stdout.until(/"keys":\["log.level"\].*read at the start only/);
    await ingest.stdout.until(/"started":\[\],"changed":\[\],"stopped":\[\]/);
    expect(await ingest.interrupt()).toBe(0);
  });

  it('does not begin where one of its pipelines can never run', async () => {
    await configure({ a: {}, b: { more: '    sink.s3: {bucket: bucket, prefix: "!{hour}/"}' } });
    await using ingest = start(['ingest'], { cwd: folder.path });
    expect(await ingest.exit).toBe(2);
    expect(ingest.stderr.text).toContain('!{hour}');
    expect(await readdir(folder.path)).toEqual(['tidegate.yaml']);
  });

  it('is done when all its sources have ended', async () => {
    await configure({ a: {}, b: {} });
    await using ingest = start(['ingest'], { cwd: folder.path });
    for (const name of ['a', 'b']) {
      await hub.publish(name, '1');
      await untilArchived(name, ['1']);
    }
    await fetch(`${hub.url}/channels/a`, { method: 'DELETE' });
    await hub.publish('b', '2');
    await untilArchived('b', ['1', '2']);
    await fetch(`${hub.url}/channels/b`, { method: 'DELETE' });
    expect(await ingest.exit).toBe(0);
  });
});
