import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { BuiltCli } from '../support/built-cli.js';
import { freePort } from '../support/free-port.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

test('SIGHUP of a closed terminal, which reaches every process of a hub, drains its workers', async () => {
  await using folder = await createTemporaryFolder();
  const port = String(await freePort());
  await using hub = new BuiltCli(['serve', '--port', port, '--workers', '2', '--hub.drainMs', '200'], folder.path);
  await hub.until(/Hub listening/);
  const text = (await fetch(`http://127.0.0.1:${port}/subscribe/a`)).text();
  for (const pid of [...childrenOf(hub.pid), hub.pid]) process.kill(pid, 'SIGHUP');
  expect(await hub.exited).toBe(0);
  expect(await text).toContain('"code":"draining"');
}, 60_000);
