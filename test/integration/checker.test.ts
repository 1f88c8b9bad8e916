import { expect, test } from 'vitest';

import { checkDelivery } from '../support/checker.js';
import { HubServer } from '../support/hub-server.js';
import { StreamClient } from '../support/stream-client.js';
import { startTamperingHub } from '../support/tampering-hub.js';

test.each([
  ['none', []],
  ['drop', ['missing event 2']],
  ['repeat', ['duplicate event 2']],
  ['swap', ['missing event 2', 'disorder event 2']],
] as const)('checkDelivery() sees a hub that is made to %s one event', async (tampering, faults) => {
  await using hub = await HubServer.start();
  const published = Array.from({ length: 5 }, (_, at) => ({ channel: 'a', key: `event ${at + 1}` }));
  for (const { key } of published) await hub.publish('a', key);
  const tampered = await startTamperingHub(hub, tampering);
  await using client = await StreamClient.open(`${tampered.url}/subscribe/a?last=all`);
  await client.event('tidegate.live');
  const found = checkDelivery(published, [{ name: 'client', channels: ['a'], received: client.received('a') }]);
  expect(found.map(({ kind, key }) => `${kind} ${key}`)).toEqual(faults);
  tampered.close();
});
