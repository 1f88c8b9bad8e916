import type { Connection, Identity } from '../connection.js';
import type { PublishEvent } from '../event.js';

/** Where joins and leaves of an application's users are published (PROTOCOL.md, 11.10). */
export function connectionsChannel(application: string): string {
  return `tidegate.connections.${application}`;
}

/** What is said there of a user's connection. */
export function announcementOf(
  event: 'join' | 'leave',
  { id, openedAtMs }: Connection,
  { application, user }: Identity,
): PublishEvent {
  const data = JSON.stringify({ id, application, user, created_at: Math.floor(openedAtMs / 1000) });
  return { event, data };
}
