import { createHubSink } from '../../src/ingest/index.js';
import { JumpingClock } from '../support/clocks.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { HubServer } from '../support/hub-server.js';
import { describeSink } from './sink.js';

describeSink('createHubSink() on a real hub', async () => {
  const hub = await HubServer.start();
  const link = await CuttableLink.open(() => hub.port);
  return {
    create: () => createHubSink({ url: link.url, channel: 'archive', clock: new JumpingClock() }),
    async read() {
      const { body } = await hub.get('/channels/archive/history?limit=1000');
      return ((body['events'] ?? []) as readonly { data: string }[]).map(({ data }) => data);
    },
    failOnce: () => link.refuseNext(),
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
    },
  };
});
