import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';

import { quote } from '../../protocol/index.js';
import { mergeMetrics } from '../../runtime/index.js';
import type { ChannelAction } from '../auth/grants.js';
import { HubError } from '../errors.js';
import type { HubCore } from '../hub.js';
import { createMetrics, reportOf } from '../metrics.js';
import { json, refused } from './answer-schemas.js';
import { listenerOf } from './app.js';
import type { App, AppListener, Incoming } from './app.js';
import { callerOf } from './caller.js';
import { addConnections } from './connections.js';
import { describeStreams } from './openapi.js';
import { addTokens } from './tokens.js';
import { asRefusal, problemHeaders, problemOf } from './problem.js';
import { remoteAddress } from './remote-address.js';

const VERSION = '1';
const PAGE = { default: 100, max: 1000 };

const Limit = z.coerce.number().int().min(1).max(PAGE.max).default(PAGE.default);
const Flag = z.enum(['true', 'false']).default('false');
const ChannelParameter = z.object({ channel: z.string().openapi({ param: { name: 'channel', in: 'path' } }) });

const Summary = z
  .object({
    name: z.string(),
    subscribers: z.number(),
    events: z.number(),
    bytes: z.number(),
    eventsPerSecond: z.number(),
    isEnded: z.boolean(),
    head: z.string().nullable(),
    oldest: z.string().nullable(),
  })
  .openapi('Channel');

const Gap = z.object({ reason: z.string(), channel: z.string(), requested: z.string(), resumedAt: z.string() });
const HistoryEvent = z.object({
  id: z.string(),
  cursor: z.string(),
  event: z.string(),
  data: z.string(),
  time: z.string(),
});

const ROUTES = {
  health: createRoute({
    method: 'get',
    path: '/health',
    summary: 'Whether the process lives',
    responses: { 200: json('It does', z.object({ status: z.literal('ok') })) },
  }),
  ready: createRoute({
    method: 'get',
    path: '/ready',
    summary: 'Whether the hub takes new subscribers',
    responses: { 200: json('It does', z.object({ status: z.literal('ready') })), 503: refused },
  }),
  metrics: createRoute({
    method: 'get',
    path: '/metrics',
    summary: 'Metrics in Prometheus text form',
    responses: {
      200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } },
      401: refused,
      403: refused,
    },
  }),
  list: createRoute({
    method: 'get',
    path: '/channels',
    summary: 'Channels that have subscribers, by name; with all=true also those that only have a history',
    request: { query: z.object({ limit: Limit, after: z.string().default(''), all: Flag }) },
    responses: { 200: json('A page', z.object({ channels: z.array(Summary), next: z.string().nullable() })) },
  }),
  show: createRoute({
    method: 'get',
    path: '/channels/{channel}',
    summary: 'One channel',
    request: { params: ChannelParameter },
    responses: { 200: json('The channel', Summary), 404: refused },
  }),
  end: createRoute({
    method: 'delete',
    path: '/channels/{channel}',
    summary: 'End a channel: subscribers get what there is, then tidegate.end',
    request: { params: ChannelParameter },
    responses: { 204: { description: 'It has ended' }, 404: refused },
  }),
  history: createRoute({
    method: 'get',
    path: '/channels/{channel}/history',
    summary: 'A page of what a channel keeps, oldest first',
    request: {
      params: ChannelParameter,
      query: z.object({ since: z.string().optional(), last: z.string().optional(), limit: Limit }),
    },
    responses: {
      200: json(
        'A page',
        z.object({
          channel: z.string(),
          events: z.array(HistoryEvent),
          gaps: z.array(Gap),
          next: z.string().nullable(),
        }),
      ),
      404: refused,
    },
  }),
} as const;

/** Operations and the list of channels. Subscribe and publish do not go through here: they must be fast. */
export function createManagement(hub: HubCore): AppListener {
  const app: App = new OpenAPIHono({
    defaultHook(result) {
      if (result.success) return;
      const issue = result.error.issues[0];
      throw new HubError('invalid-query', `Cannot read ${issue?.path.join('.') ?? 'query'}: ${issue?.message ?? ''}`);
    },
  });
  app.onError((error) => refuse(hub, error));
  app.notFound((context) => refuse(hub, new HubError('not-found', `Cannot find ${quote(context.req.path)}`)));
  addOperations(app, hub);
  addChannels(app, hub);
  addConnections(app, hub);
  addTokens(app, hub);
  describeStreams(app.openAPIRegistry);
  addDescription(app);
  return listenerOf(app);
}

/** The description is open to every caller and takes milliseconds to make, so it is made once. */
function addDescription(app: App): void {
  let text: string | undefined;
  app.get('/openapi.json', (context) => {
    text ??= JSON.stringify(
      app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: 'Tidegate hub', version: VERSION } }),
    );
    return context.body(text, 200, { 'Content-Type': 'application/json' });
  });
}

function addOperations(app: App, hub: HubCore): void {
  const registry = createMetrics(hub);
  app.openapi(ROUTES.health, (context) => context.json({ status: 'ok' as const }, 200));
  app.openapi(ROUTES.ready, (context) => {
    if (hub.isDraining) throw new HubError('draining', 'Cannot take new subscribers: the hub is shutting down');
    if (!hub.backplane.isReady)
      throw new HubError('backplane-unavailable', 'Cannot take new subscribers: Redis is not there');
    return context.json({ status: 'ready' as const }, 200);
  });
  hub.onReport = () => reportOf(registry);
  app.openapi(ROUTES.metrics, async (context) => {
    const others = await hub.backplane.gatherMetrics();
    const whole = others.length === 0 ? registry : mergeMetrics([await reportOf(registry), ...others]);
    return context.text(await whole.metrics(), 200, { 'Content-Type': registry.contentType });
  });
}

function addChannels(app: App, hub: HubCore): void {
  const { backplane } = hub;
  app.openapi(ROUTES.list, async (context) => {
    const { after, limit, all } = context.req.valid('query');
    const { channels, next } = await backplane.listChannels({
      after,
      limit,
      isAll: all === 'true',
      visible: callerOf(context.env.incoming).grants.subscribe,
    });
    return context.json({ channels: [...channels], next }, 200);
  });
  app.openapi(ROUTES.show, async (context) => {
    const { channel } = context.req.valid('param');
    await authorizeChannel(hub, context.env.incoming, { action: 'subscribe', channel });
    return context.json(await backplane.describeChannel(channel), 200);
  });
  app.openapi(ROUTES.end, async (context) => {
    const { channel } = context.req.valid('param');
    await authorizeChannel(hub, context.env.incoming, { action: 'publish', channel });
    await backplane.describeChannel(channel);
    await backplane.end(channel);
    return context.body(null, 204);
  });
  app.openapi(ROUTES.history, async (context) => {
    const { channel } = context.req.valid('param');
    const { since, last, limit } = context.req.valid('query');
    await authorizeChannel(hub, context.env.incoming, { action: 'subscribe', channel });
    const page = await backplane.readHistory(channel, { since, last, limit });
    return context.json({ ...page, events: [...page.events], gaps: [...page.gaps] }, 200);
  });
}

interface ChannelUse {
  readonly action: ChannelAction;
  readonly channel: string;
}

/** Grants were looked at with the route. @throws HubError if the webhook denies it. */
async function authorizeChannel(hub: HubCore, request: Incoming, { action, channel }: ChannelUse): Promise<void> {
  // A caller that may not subscribe must not read the history instead.
  await hub.authorize({ action, access: callerOf(request), channels: [channel], address: remoteAddress(hub, request) });
}

function refuse(hub: HubCore, error: Error): Response {
  const refusal = asRefusal(error);
  hub.countRefusal(refusal, error);
  return Response.json(problemOf(refusal), { status: refusal.traits.status, headers: problemHeaders(refusal) });
}
