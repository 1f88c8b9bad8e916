import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Access } from '../auth/access.js';
import type { HubCore } from '../hub.js';
import type { PathParameters } from './routes.js';

/** One request as a route gets it: of a caller that may use the route. */
export interface Exchange {
  readonly hub: HubCore;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Access;
  /** Of the path, decoded. */
  readonly parameters: PathParameters;
  readonly query: URLSearchParams;
}
