import type { IncomingMessage, ServerResponse } from 'node:http';

import type { HubCore } from '../hub.js';
import type { Target } from './target.js';

/** One request as a route gets it. */
export interface Exchange {
  readonly hub: HubCore;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Target;
}
