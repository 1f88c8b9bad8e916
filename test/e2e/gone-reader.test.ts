import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { startUpstream } from '../support/upstream.js';

const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname;

test('ingest ends as by SIGPIPE when the reader of its output is gone: no supervisor takes it for done', async () => {
  await using upstream = await startUpstream((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write('id: 1\ndata: {"n":1}\n\n'), 20);
    response.on('close', () => clearInterval(timer));
  });
  await using folder = await createTemporaryFolder();
  const child = spawn(process.execPath, [MAIN, 'ingest', '--url', upstream.url, '--sink.stdout'], {
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  child.stdout.destroy();
  const [code] = (await exited) as [number | null];
  expect(code).toBe(141);
});
