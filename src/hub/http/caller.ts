import type { IncomingMessage } from 'node:http';

import type { Access } from '../auth/access.js';
import { HubError } from '../errors.js';

const callers = new WeakMap<object, Access>();

/** Remembers who sent a request that {@link requireRoute} let through, for routes that only see the framework's form of it. */
export function rememberCaller(request: IncomingMessage, access: Access): void {
  callers.set(request, access);
}

/** Who sent a request. @throws HubError `internal` if nobody has judged it: no route answers then. */
export function callerOf(request: object): Access {
  const access = callers.get(request);
  if (access === undefined) throw new HubError('internal', 'Cannot answer a request whose caller was not judged');
  return access;
}
