import { createRoute, z } from '@hono/zod-openapi';

import type { Connection, ConnectionPage } from '../connection.js';
import type { HubCore } from '../hub.js';
import { json, refused } from './answer-schemas.js';
import type { App } from './app.js';
import { readIdentitySegment } from './identity-segment.js';

const PAGE = { default: 1000, max: 10_000 };

const Shown = z
  .object({
    id: z.string(),
    /** In seconds since 1970. */
    created_at: z.number(),
    remote_addr: z.string(),
    user_agent: z.string(),
    node: z.string(),
    channels: z.array(z.string()),
    application: z.object({ id: z.string() }),
    user: z.object({ id: z.string() }),
  })
  .openapi('Connection');

const none = { description: 'There are none' };

const Page = z.object({
  limit: z.coerce.number().int().min(1).max(PAGE.max).default(PAGE.default),
  afterUser: z.string().optional(),
  afterId: z.string().optional(),
});
const ByUser = z.record(z.string(), z.record(z.string(), Shown));
const Name = z.string().transform(readIdentitySegment);
const ApplicationPath = z.object({ application: Name });
const UserPath = ApplicationPath.extend({ user: Name });
const ConnectionPath = UserPath.extend({ connection: z.string() });

const ROUTES = {
  ofApplication: createRoute({
    method: 'get',
    path: '/connections/{application}',
    summary: 'Who of an application is connected, by user and connection; a further page is in the header Link',
    request: { params: ApplicationPath, query: Page },
    responses: { 200: json('A page', ByUser), 204: none, 401: refused, 403: refused },
  }),
  ofUser: createRoute({
    method: 'get',
    path: '/connections/{application}/{user}',
    summary: 'The connections of one user',
    request: { params: UserPath, query: Page },
    responses: { 200: json('A page', ByUser), 204: none, 401: refused, 403: refused },
  }),
  show: createRoute({
    method: 'get',
    path: '/connections/{application}/{user}/{connection}',
    summary: 'One connection, and how many events it has yet to be sent',
    request: { params: ConnectionPath },
    responses: {
      200: json('The connection', Shown.extend({ events_behind: z.number().nullable() })),
      401: refused,
      403: refused,
      404: refused,
    },
  }),
  end: createRoute({
    method: 'delete',
    path: '/connections/{application}/{user}/{connection}',
    summary: 'End a connection',
    request: { params: ConnectionPath },
    responses: { 204: { description: 'It is told to go' }, 401: refused, 403: refused, 404: refused },
  }),
} as const;

interface Asked extends z.infer<typeof Page>, z.infer<typeof ApplicationPath> {
  readonly user?: string;
}

/** The connections of users, in the form of contract E (PROTOCOL.md, 11.10). */
export function addConnections(app: App, hub: HubCore): void {
  const { backplane } = hub;
  const list = async (url: string, asked: Asked): Promise<Response> => {
    const { limit, afterUser, afterId = '', ...of } = asked;
    const after = afterUser === undefined ? {} : { after: { user: afterUser, id: afterId } };
    const page = await backplane.listConnections({ ...of, limit, ...after });
    if (page.connections.length === 0) return new Response(null, { status: 204 });
    return Response.json(byUser(page), { headers: nextLink(url, page) });
  };
  app.openapi(ROUTES.ofApplication, ({ req }) => list(req.url, { ...req.valid('query'), ...req.valid('param') }));
  app.openapi(ROUTES.ofUser, ({ req }) => list(req.url, { ...req.valid('query'), ...req.valid('param') }));
  app.openapi(ROUTES.show, async (context) => {
    const { application, user, connection: id } = context.req.valid('param');
    const { connection, eventsBehind } = await backplane.describeConnection({ application, user }, id);
    return context.json({ ...shown(connection), events_behind: eventsBehind }, 200);
  });
  app.openapi(ROUTES.end, async (context) => {
    const { application, user, connection } = context.req.valid('param');
    await backplane.endConnection({ application, user }, connection);
    return context.body(null, 204);
  });
}

type ShownConnection = z.infer<typeof Shown>;

function byUser({ connections }: ConnectionPage): Record<string, Record<string, ShownConnection>> {
  // Without a prototype: a user may be called `__proto__`.
  const users: Record<string, Record<string, ShownConnection>> = Object.create(null) as Record<string, never>;
  for (const connection of connections) {
    const one = shown(connection);
    (users[one.user.id] ??= {})[one.id] = one;
  }
  return users;
}

function shown({
  id,
  openedAtMs,
  address,
  userAgent = '',
  node = '',
  channels,
  identity,
}: Connection): ShownConnection {
  return {
    id,
    created_at: Math.floor(openedAtMs / 1000),
    remote_addr: address,
    user_agent: userAgent,
    node,
    channels: [...channels],
    application: { id: identity?.application ?? '' },
    user: { id: identity?.user ?? '' },
  };
}

/** RFC 8288. */
function nextLink(url: string, { next }: ConnectionPage): Record<string, string> {
  if (next === null) return {};
  const { pathname, searchParams } = new URL(url);
  searchParams.set('afterUser', next.user);
  searchParams.set('afterId', next.id);
  return { Link: `<${pathname}?${searchParams.toString()}>; rel="next"` };
}
