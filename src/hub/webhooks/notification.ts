import type { Connection } from '../connection.js';

/** What can happen to a connection; the last word of the event's `type`. */
export const CONNECTION_EVENTS = ['opened', 'closed'] as const;
export type ConnectionEvent = (typeof CONNECTION_EVENTS)[number];

/** One thing that happened, as it is told. */
export interface Notification {
  readonly id: string;
  readonly event: ConnectionEvent;
  readonly connection: string;
  readonly body: string;
}

/** Structured mode, with everything in the body that is signed (CloudEvents 1.0, HTTP binding, 3.2). */
export const NOTIFICATION_CONTENT_TYPE = 'application/cloudevents+json';

/** What a receiver is told (PROTOCOL.md, 12.3). */
export function notificationOf(event: ConnectionEvent, connection: Connection, nowMs: number): Notification {
  const { id: connectionId, identity, channels, address, userAgent, openedAtMs } = connection;
  const id = crypto.randomUUID();
  const body = JSON.stringify({
    specversion: '1.0',
    id,
    source: 'urn:tidegate:hub',
    type: `tidegate.connection.${event}`,
    subject: connectionId,
    time: new Date(nowMs).toISOString(),
    datacontenttype: 'application/json',
    data: {
      connection: connectionId,
      // What is undefined is left out.
      application: identity?.application,
      user: identity?.user,
      channels,
      address,
      userAgent,
      openedAt: new Date(openedAtMs).toISOString(),
      durationMs: event === 'closed' ? Math.max(0, nowMs - openedAtMs) : undefined,
    },
  });
  return { id, event, connection: connectionId, body };
}
