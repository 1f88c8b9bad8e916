import type { IncomingMessage } from 'node:http';

import { ANONYMOUS } from '../auth/access.js';
import type { Access } from '../auth/access.js';

const callers = new WeakMap<object, Access>();

/** Remembers who sent a request, for routes that only see the framework's own form of it. */
export function rememberCaller(request: IncomingMessage, access: Access): void {
  callers.set(request, access);
}

/** Who sent a request that `rememberCaller` was told of; the routes that nobody asks for see `ANONYMOUS`. */
export function callerOf(request: object): Access {
  return callers.get(request) ?? ANONYMOUS;
}
