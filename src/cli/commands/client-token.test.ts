import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { start } from '../../../test/support/cli.js';
import type { TestRunOptions } from '../../../test/support/cli.js';
import { startAskingHub, tokenFor } from '../../../test/support/asking-hub.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';

const GRANTS = { publish: ['news'], subscribe: ['news'] };

async function run(line: readonly string[], options: TestRunOptions = {}) {
  await using process = start(line, options);
  const code = await process.exit;
  return { code, out: process.stdout.text, err: process.stderr.text };
}

describe('publish, subscribe and generate on a hub that asks for tokens', () => {
  it('show one from a flag, a variable or a file, and never print it', async () => {
    await using hub = await startAskingHub(50);
    await using folder = await createTemporaryFolder();
    const token = await tokenFor({ grants: GRANTS });
    const file = join(folder.path, 'token');
    writeFileSync(file, `${token}\n`);
    const flag = await run(['publish', 'news', 'one', '--url', hub.url, '--token', token]);
    const variable = await run(['publish', 'news', 'two', '--url', hub.url], { env: { TIDEGATE_TOKEN: token } });
    const sse = { stdin: 'data: three\n\n' };
    const fromFile = await run(['publish', 'news', '--sse', '--url', hub.url, '--tokenFile', file], sse);
    const made = await run(['generate', 'news', '--url', hub.url, '--tokenFile', file, '--count', '1']);
    const read = await run([
      'subscribe',
      'news',
      '--url',
      hub.url,
      '--tokenFile',
      file,
      '--last',
      'all',
      '--count',
      '4',
    ]);
    const all = [flag, variable, fromFile, made, read];
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(read.out.match(/"data":"(one|two|three)"/g)).toHaveLength(3);
    for (const { out, err } of all) expect(out + err).not.toContain(token);
  });

  it('say why they are refused', async () => {
    await using hub = await startAskingHub(50);
    const none = await run(['publish', 'news', 'one', '--url', hub.url]);
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('[token-missing]')]);
    const other = await run(['publish', 'news', 'one', '--url', hub.url, '--token', await tokenFor()]);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('[forbidden-channel]')]);
    const absent = await run(['subscribe', 'news', '--url', hub.url, '--tokenFile', '/nowhere/token']);
    expect([absent.code, absent.err]).toEqual([1, expect.stringContaining('Cannot read tokenFile')]);
    const both = await run(['publish', 'news', 'one', '--token', 'a', '--tokenFile', 'b']);
    expect(both.err).toContain('only one of the two can hold');
  });
});
