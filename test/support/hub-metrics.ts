import { listen } from '../../src/hub/index.js';
import type { Hub } from '../../src/hub/index.js';

/** A hub's metrics, by a port of their own: with authentication, its main port asks for a grant. */
export async function readMetrics(hub: Pick<Hub, 'operationsHandler'>): Promise<string> {
  await using server = await listen({ handler: hub.operationsHandler }, { port: 0 });
  return (await fetch(`${server.url}/metrics`)).text();
}
