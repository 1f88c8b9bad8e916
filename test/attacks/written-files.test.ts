import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { answer, BatchReceiver } from '../support/batch-receiver.js';
import { start } from '../support/cli.js';
import { FakeS3 } from '../support/fake-s3.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { hold, serve, startUpstream } from '../support/upstream.js';

const EVENTS = Array.from({ length: 50 }, (_, at) => `id: ${at}\ndata: {"n":${at}}\n\n`).join('');

let umask = 0;
beforeEach(() => {
  umask = process.umask(0);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterEach(() => {
  process.umask(umask);
  vi.unstubAllEnvs();
});

/** Every file and folder in `folder` with its mode, and what of it others have, or the group beyond reading. */
async function modesIn(folder: string) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    // A temporary file may have got its final name meanwhile.
    const mode = await stat(path).then(
      ({ mode: own }) => own,
      () => 0,
    );
    return { path: relative(folder, path), excess: mode & (entry.isDirectory() ? 0o027 : 0o137) };
  });
  return Promise.all(found);
}

test('no other user of the machine can read an archive, a spool, a checkpoint, a journal, dead letters or a recording', async () => {
  await using folder = await createTemporaryFolder();
  await using upstream = await startUpstream(serve(EVENTS), serve(EVENTS), hold(EVENTS));
  await using receiver = await BatchReceiver.start();
  receiver.faults.push(answer(422));
  await using s3 = await FakeS3.start();
  const record = start(['record', upstream.url, 'kept.jsonl', '--seconds', '1'], { cwd: folder.path });
  expect(await record.exit).toBe(0);
  const flags = [
    '--sink.file.dir archive/deep --sink.file.gzip --sink.file.rotateBytes 256',
    `--sink.http.url ${receiver.url} --sink.http.events 1`,
    `--sink.s3.bucket bucket --sink.s3.endpoint ${s3.endpoint}`,
    '--spool.dir spool --deadLetter.file dead/letters.ndjson --checkpoint.intervalMs 1',
  ];
  const sinks = flags.join(' ').split(' ');
  await using ingest = start(['ingest', '--url', upstream.url, ...sinks], { cwd: folder.path });
  await expect.poll(() => receiver.lines.length, { timeout: 10_000 }).toBeGreaterThan(60);
  const running = await modesIn(folder.path);
  await ingest.interrupt();
  const modes = [...running, ...(await modesIn(folder.path))];
  expect(modes.filter(({ excess }) => excess !== 0)).toEqual([]);
  const paths = modes.map(({ path }) => path).join('\n');
  for (const kind of [/\.part$/m, /\.gz$/m, /checkpoint\.json$/m, /\.lock$/m, /\.log$/m, /cursors\.json$/m, /journal/m])
    expect(paths).toMatch(kind);
  for (const path of ['dead/letters.ndjson', 'kept.jsonl']) expect(paths).toContain(path);
});
