import { pathToFileURL } from 'node:url';

import type { createHub as CreateHub, Hub, listen as Listen } from '../../src/hub/index.js';

interface BuiltHub extends AsyncDisposable {
  readonly url: string;
  readonly publish: Hub['publish'];
}

/** A hub from `dist/`: the source has no page beside it. */
export async function startBuiltHub(): Promise<BuiltHub> {
  const door = (await import(pathToFileURL('dist/hub/index.js').href)) as {
    createHub: typeof CreateHub;
    listen: typeof Listen;
  };
  const hub = door.createHub();
  const server = await door.listen(hub, { port: 0 });
  return {
    url: server.url,
    publish: (channel, event) => hub.publish(channel, event),
    async [Symbol.asyncDispose]() {
      await hub.close();
      await server.close();
    },
  };
}
