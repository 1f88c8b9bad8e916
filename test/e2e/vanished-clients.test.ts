// Clients that go without a word, on a link that is taken away: nothing but networks of their own shows it.
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { CERTIFICATE } from '../support/certificate.js';
import { hasNamespaces, NetworkNamespace } from '../support/namespaces.js';
import type { NamespacedProgram } from '../support/namespaces.js';

const HUB = fileURLToPath(new URL('../support/namespaced-hub.mjs', import.meta.url));
const CLIENTS = fileURLToPath(new URL('../support/namespaced-clients.mjs', import.meta.url));
const STALL_TIMEOUT_MS = 4000;
const HEARTBEAT_MS = 400;
/** For a machine that runs other tests. */
const TOLERANCE_MS = 700;
/** One by each way to the hub, and two on the HTTP/2 connection. */
const VANISHING = 7;

const OPTIONS = { heartbeatMs: HEARTBEAT_MS, stallTimeoutMs: STALL_TIMEOUT_MS };

async function metric(hub: NamespacedProgram, name: string): Promise<number> {
  const text = String(await hub.told('metrics', 'metrics'));
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1]);
}

const canRun = hasNamespaces && CERTIFICATE !== undefined;

test.skipIf(!canRun)(
  'a client whose link goes down is cut within the stall timeout and a quarter; a slow reader is not (needs root, iproute2 and openssl)',
  { timeout: 60_000 },
  async () => {
    using home = NetworkNamespace.create();
    using away = NetworkNamespace.create();
    using near = NetworkNamespace.create();
    NetworkNamespace.link('far0', [home, '10.77.1.1'], [away, '10.77.1.2']);
    NetworkNamespace.link('near0', [home, '10.77.2.1'], [near, '10.77.2.2']);
    await using hub = home.run([HUB, '10.77.1.1', JSON.stringify(OPTIONS), JSON.stringify(CERTIFICATE)]);
    const ports = (await hub.told('ports')) as Readonly<Record<string, number>>;

    // It reads 4 MB at 50 KB/s: a single write of the hub takes longer than the stall timeout.
    await using slow = near.run([CLIENTS, 'slow', '10.77.2.1', String(ports['mapped']), '5120', '100']);
    await using vanishing = away.run([CLIENTS, 'vanishing', '10.77.1.1', JSON.stringify(ports)]);
    await vanishing.told('open');
    await expect.poll(() => metric(hub, 'tidegate_subscribers')).toBe(VANISHING + 1);
    for (let at = 0; at < 4; at += 1) hub.send('1000000');
    await expect.poll(() => metric(hub, 'tidegate_subscribers_blocked')).toBe(1);

    const goneMs = performance.now();
    away.ip('link', 'set', 'far0', 'down');
    await expect
      .poll(() => metric(hub, 'tidegate_subscribers'), { timeout: 4 * STALL_TIMEOUT_MS, interval: 20 })
      .toBe(1);
    const noticedMs = performance.now() - goneMs;
    expect(noticedMs).toBeGreaterThan(STALL_TIMEOUT_MS);
    expect(noticedMs).toBeLessThan(STALL_TIMEOUT_MS * 1.25 + HEARTBEAT_MS + TOLERANCE_MS);
    expect(await metric(hub, 'tidegate_subscribers_stalled_total')).toBe(VANISHING);

    // For as long again the slow one goes on, and has read all the time.
    const before = Number(await slow.told('bytes', 'bytes'));
    await expect
      .poll(async () => Number(await slow.told('bytes', 'bytes')) - before, { timeout: 20_000, interval: 200 })
      .toBeGreaterThan(STALL_TIMEOUT_MS * 40);
    expect(await metric(hub, 'tidegate_subscribers')).toBe(1);
  },
);
