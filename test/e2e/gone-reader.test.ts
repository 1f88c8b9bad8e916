import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startUpstream } from '../support/upstream.js';

const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname;

test.each([
  ['ingest', (url: string) => ['ingest', '--url', url, '--sink.stdout']],
  ['subscribe', (url: string) => ['subscribe', url]],
])(
  '%s ends as by SIGPIPE when the reader of its output is gone: no supervisor takes it for done',
  async (_, argsTo) => {
    await using upstream = await startUpstream((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => response.write('id: 1\ndata: {"n":1}\n\n'), 20);
      response.on('close', () => clearInterval(timer));
    });
    const cwd = await mkdtemp(join(tmpdir(), 'tidegate-'));
    const child = spawn(process.execPath, [MAIN, ...argsTo(upstream.url)], {
      cwd,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [code] = (await exited) as [number | null];
    expect(code).toBe(141);
    await rm(cwd, { recursive: true });
  },
);
