import {
  requireChannels,
  requireConnections,
  requireOperations,
  requirePublishToUsers,
  requireUser,
} from '../auth/access.js';
import type { Access } from '../auth/access.js';
import { checkChannel } from '../event.js';
import { readIdentitySegment } from './identity-segment.js';
import type { PathParameters, Route } from './routes.js';

/**
 * Refuses a caller that may not use `route` with `parameters`. What a query or a body names is for the route's handler
 * to judge, when it has read it.
 * @throws HubError `forbidden-…`, `token-missing`, `invalid-channel`, `invalid-target`.
 */
export function requireRoute(
  { access: needed }: Pick<Route, 'access'>,
  caller: Access,
  parameters: PathParameters,
): void {
  const { channel, application } = parameters;
  switch (needed) {
    case 'open':
      return;
    case 'own-stream':
      if (caller.kind !== 'anonymous') requireUser(caller);
      return;
    case 'subscribe':
    case 'publish':
      if (channel !== undefined) requireChannels(caller, needed, [checkChannel(channel)]);
      return;
    case 'publish-to-users':
      return requirePublishToUsers(caller, readIdentitySegment(application ?? ''));
    case 'read-connections':
      return requireConnections(caller, 'read', readIdentitySegment(application ?? ''));
    case 'manage-connections':
      if (application !== undefined) requireConnections(caller, 'manage', readIdentitySegment(application));
      return;
    case 'read-operations':
      return requireOperations(caller);
  }
}
