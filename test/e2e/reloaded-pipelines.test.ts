import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BuiltCli } from '../support/built-cli.js';
import { HubServer } from '../support/hub-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const PATIENCE = { timeout: 20_000, interval: 20 } as const;

test('SIGHUP reads tidegate.yaml again, and a broken one changes nothing', async () => {
  await using folder = await createTemporaryFolder();
  await using hub = await HubServer.start({ drainMs: 0 });
  const configure = (...names: readonly string[]): Promise<void> => {
    const blocks = names.map(
      (name) => `  ${name}: {source.url: "${hub.url}/subscribe/${name}", sink.file.dir: ./${name}}`,
    );
    return writeFile(join(folder.path, 'tidegate.yaml'), `pipelines:\n${blocks.join('\n')}\n`);
  };
  const archived = async (name: string): Promise<string> => {
    const names = await readdir(join(folder.path, name)).catch(() => []);
    const files = names.filter((file) => file.includes('.ndjson'));
    return (await Promise.all(files.map((file) => readFile(join(folder.path, name, file), 'utf8')))).join('');
  };
  await configure('a', 'b');
  await using ingest = new BuiltCli(['ingest'], folder.path);
  await ingest.until(/"pipeline":"a"[^\n]*Connected/);
  await ingest.until(/"pipeline":"b"[^\n]*Connected/);
  await writeFile(join(folder.path, 'tidegate.yaml'), 'pipelines:\n  a: {sorce.url: x}\n');
  process.kill(ingest.pid, 'SIGHUP');
  await ingest.until(/pipelines.a.sorce.url[^\n]*did you mean source.url\?[^\n]*Cannot reload/);
  for (const name of ['a', 'b']) await hub.publish(name, '1');
  await expect.poll(async () => (await archived('a')) + (await archived('b')), PATIENCE).toBe('1\n1\n');
  await configure('b', 'c');
  process.kill(ingest.pid, 'SIGHUP');
  await ingest.until(/Configuration reloaded/);
  await ingest.until(/"pipeline":"c"[^\n]*Connected/);
  for (const name of ['a', 'b', 'c']) await hub.publish(name, '2');
  await expect.poll(async () => (await archived('b')) + (await archived('c')), PATIENCE).toBe('1\n2\n2\n');
  expect(await archived('a')).toBe('1\n');
  expect(await ingest.end('SIGTERM')).toBe(0);
}, 60_000);
