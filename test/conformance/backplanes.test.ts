import { join } from 'node:path';

import { expect, test } from 'vitest';

import { MemoryBackplane } from '../../src/hub/backplane/memory.js';
import { Primary } from '../../src/hub/backplane/primary.js';
import { connectToPrimary } from '../../src/hub/backplane/workers.js';
import { NO_RULES } from '../../src/hub/channel-rules.js';
import { DEFAULT_HISTORY, DEFAULT_LIMITS } from '../../src/hub/limits.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { connectionTo } from './backplane-fixture.js';
import { describeBackplane } from './backplane.js';
import type { BackplaneSettings } from './backplane-fixture.js';

describeBackplane('MemoryBackplane', async (settings) => {
  const backplane = new MemoryBackplane({ ...settings, nowMs: Date.now });
  return { nodes: [backplane], [Symbol.asyncDispose]: () => backplane[Symbol.asyncDispose]() };
});

describeBackplane('WorkersBackplane', (settings) => startWorkers(settings));

async function startWorkers(settings: BackplaneSettings, onLost: () => void = () => undefined) {
  const folder = await createTemporaryFolder();
  const path = join(folder.path, 'primary.sock');
  const primary = new Primary(new MemoryBackplane({ ...settings, nowMs: Date.now }), 20);
  await primary.listen(path);
  const { history, rules = NO_RULES } = settings;
  const connected = { path, workers: 3, history, rules, nowMs: Date.now, onLost };
  const nodes = await Promise.all([1, 2, 3].map(() => connectToPrimary(connected)));
  return {
    nodes,
    primary,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]();
      await primary[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const settings = { history: DEFAULT_HISTORY, limits: DEFAULT_LIMITS, channelTtlMs: 0 };

test('Primary lets go of the connections of a worker that is gone', async () => {
  await using fixture = await startWorkers(settings);
  const [first, second] = fixture.nodes;
  await first?.join(connectionTo('a', 'b'));
  await second?.join(connectionTo('b'));
  await first?.[Symbol.asyncDispose]();
  const listed = async () =>
    (await second?.listChannels({ after: '', limit: 10, isAll: true, visible: ['*'] }))?.channels;
  await expect.poll(listed).toMatchObject([{ name: 'b', subscribers: 1 }]);
});

test('WorkersBackplane refuses everything once its primary is gone, and says so once', async () => {
  let lost = 0;
  await using fixture = await startWorkers(settings, () => (lost += 1));
  const [node] = fixture.nodes;
  const waiting = node?.publish({ channels: ['a'], events: [{ data: 'x' }] });
  const outcome = waiting?.then(
    () => 'published',
    (error: { readonly code: string }) => error.code,
  );
  await fixture.primary[Symbol.asyncDispose]();
  expect(['published', 'primary-lost']).toContain(await outcome);
  await expect.poll(() => lost).toBe(3);
  await expect(node?.join(connectionTo('a'))).rejects.toMatchObject({ code: 'primary-lost' });
});

test('WorkersBackplane sends a hundred large histories without being cut off', async () => {
  await using fixture = await startWorkers({
    ...settings,
    history: { ...DEFAULT_HISTORY, bytes: 4 * 1024 * 1024 },
  });
  const [here, there] = fixture.nodes;
  const channels = Array.from({ length: 100 }, (_, at) => `c${at}`);
  const events = Array.from({ length: 3 }, () => ({ data: 'x'.repeat(1_000_000) }));
  for (const channel of channels) await here?.publish({ channels: [channel], events });
  const joined = await there?.join(connectionTo(...channels));
  expect(joined?.map((channel) => channel.eventCount)).toEqual(channels.map(() => 3));
});

test('a worker that starts later knows what was revoked before', async () => {
  await using folder = await createTemporaryFolder();
  const path = join(folder.path, 'primary.sock');
  await using primary = new Primary(new MemoryBackplane({ ...settings, nowMs: Date.now }), 20);
  await primary.listen(path);
  const connected = { path, workers: 2, history: settings.history, nowMs: Date.now, onLost: () => undefined };
  await using first = await connectToPrimary(connected);
  await first.revoke({ target: { application: 'app' }, issuedBeforeMs: 5, expiresAtMs: Date.now() + 60_000 });
  await using second = await connectToPrimary(connected);
  const heard: unknown[] = [];
  second.attach({
    end: () => undefined,
    eventsBehind: () => undefined,
    revoked: async (revocations) => void heard.push(...revocations),
    report: async () => [],
  });
  await expect.poll(() => heard).toMatchObject([{ target: { application: 'app' }, issuedBeforeMs: 5 }]);
});
