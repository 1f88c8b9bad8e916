import { expect, test } from 'vitest';

import { subscribe } from '../../src/client/index.js';
import { tokenFor } from '../support/asking-hub.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { ServedHub } from '../support/served-hub.js';

async function publishTo(user: string, data: string, { url }: ServedHub): Promise<void> {
  const token = await tokenFor({ user: 'backend', grants: { users: true } });
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'text/plain' };
  const { status } = await fetch(`${url}/publish/users/shop/${user}`, { method: 'POST', headers, body: data });
  if (status !== 200) throw new Error(`The hub answered ${status}`);
}

test("subscribe() to 'own' gets what is published to its user and nobody else's, and resumes after a cut", async () => {
  await using hub = await ServedHub.start('--hub.retryMs', '50');
  await using link = await CuttableLink.open(() => hub.port);
  const heard: string[] = [];
  const gaps: string[] = [];
  const options = {
    url: link.url,
    channels: 'own',
    token: () => tokenFor({ user: 'ann' }),
    random: () => 0.02,
  } as const;
  for await (const delivery of subscribe(options)) {
    if (delivery.kind === 'gap') gaps.push(delivery.reason);
    if (delivery.kind === 'live' && heard.length === 0) {
      await publishTo('bob', 'for bob', hub);
      await publishTo('ann', '1', hub);
    }
    if (delivery.kind === 'event' && heard.push(delivery.data) === 1) {
      // Published while nobody is there.
      link.down();
      for (const data of ['2', '3']) await publishTo('ann', data, hub);
      link.up();
    }
    if (heard.length === 3) break;
  }
  expect(heard).toEqual(['1', '2', '3']);
  expect(gaps).toEqual([]);
});
