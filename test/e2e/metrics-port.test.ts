import { expect, test } from 'vitest';

import { mintToken } from '../../src/hub/index.js';
import { BuiltCli } from '../support/built-cli.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const SECRET = 'a secret of more than thirty-two bytes, for tests alone';

test.each(['1', '2'])(
  'with authentication and %s worker, metrics are on a port of their own and need a grant on the main one',
  async (workers) => {
    await using folder = await createTemporaryFolder();
    await using cli = new BuiltCli(
      [
        'serve',
        '--port',
        '0',
        '--workers',
        workers,
        '--auth',
        'jwt',
        '--auth.jwt.secret',
        SECRET,
        '--metrics.port',
        '0',
        '--log.format',
        'json',
      ],
      folder.path,
    );
    const [, operations] = await cli.until(/"url":"(http:[^"]+)"[^\n]*Metrics, health/);
    const [, url] = await cli.until(/"url":"(http:[^"]+)"[^\n]*Hub listening/);
    expect(await (await fetch(`${operations}/metrics`)).text()).toContain('tidegate_subscribers 0\n');
    expect((await fetch(`${operations}/ready`)).status).toBe(200);
    expect((await fetch(`${operations}/channels`)).status).toBe(401);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    const token = await mintToken({
      secret: SECRET,
      application: 'shop',
      user: 'watcher',
      lifetimeMs: 60_000,
      grants: { operate: 'read' },
      nowMs: Date.now(),
    });
    expect((await fetch(`${url}/metrics`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200);
    expect(await cli.end('SIGTERM')).toBe(0);
  },
  60_000,
);
