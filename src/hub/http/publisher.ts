import type { IncomingMessage } from 'node:http';

import { networkOf } from '../address-network.js';
import type { Access } from '../auth/access.js';
import type { HubCore } from '../hub.js';
import { remoteAddress } from './remote-address.js';

/** Under which name a request counts against limits and shares: its API key, else its user, else its network (PROTOCOL.md, 6.3). */
export function publisherOf(hub: HubCore, request: IncomingMessage, { rateKey }: Access): string {
  return rateKey ?? networkOf(remoteAddress(hub, request));
}
