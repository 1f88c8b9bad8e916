import { z } from '@hono/zod-openapi';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { refused } from './answer-schemas.js';
import { NDJSON_TYPES } from './ndjson-types.js';

type Registry = OpenAPIHono['openAPIRegistry'];

const resume = {
  lastEventId: z.string().optional(),
  since: z.string().optional(),
  last: z.string().optional(),
  envelope: z.enum(['json']).optional(),
  control: z.enum(['events', 'none']).optional(),
  refusals: z.enum(['status', 'stream']).optional(),
};
const channelInPath = z.object({ channel: z.string() });
const Event = z.object({
  id: z.string().optional(),
  event: z.string().optional(),
  data: z.unknown(),
  retry: z.number().int().min(0).max(3_600_000).nullable().optional(),
  idempotencyKey: z.string().optional(),
});
const answer = z.object({
  channel: z.string(),
  id: z.string().optional(),
  cursor: z.string().optional(),
  published: z.number(),
  duplicates: z.number(),
});

const STREAM = { description: 'The stream', content: { 'text/event-stream': { schema: z.string() } } };
const OVER = { description: 'All channels have ended and nothing is left' };

/** Adds the routes that do not go through the framework to its description. */
export function describeStreams(registry: Registry): void {
  describeUserStreams(registry);
  registry.registerPath({
    method: 'get',
    path: '/subscribe/{channel}',
    summary: 'Subscribe to one channel',
    request: { params: channelInPath, query: z.object(resume) },
    responses: { 200: STREAM, 204: OVER, 400: refused, 410: refused, 503: refused },
  });
  registry.registerPath({
    method: 'get',
    path: '/subscribe',
    summary: 'Subscribe to several channels on one connection',
    request: { query: z.object({ ...resume, channel: z.array(z.string()) }) },
    responses: { 200: STREAM, 204: OVER, 400: refused, 410: refused, 503: refused },
  });
  registry.registerPath({
    method: 'post',
    path: '/publish/{channel}',
    summary: 'Publish one event, many, or a stream of them',
    request: {
      params: channelInPath,
      query: z.object({
        id: z.string().optional(),
        event: z.string().optional(),
        end: z.enum(['true', 'false']).optional(),
        raw: z.enum(['true', 'false']).optional(),
      }),
      headers: z.object({ 'Idempotency-Key': z.string().optional() }),
      body: {
        content: {
          'application/json': { schema: Event },
          ...Object.fromEntries(NDJSON_TYPES.map((type) => [type, { schema: z.string() }])),
          'text/event-stream': { schema: z.string() },
          'text/plain': { schema: z.string() },
        },
      },
    },
    responses: {
      200: { description: 'Published', content: { 'application/json': { schema: answer } } },
      400: refused,
      409: refused,
      413: refused,
      415: refused,
      422: refused,
    },
  });
  registry.registerPath({
    method: 'post',
    path: '/publish',
    summary: 'Publish one event to several channels',
    request: { body: { content: { 'application/json': { schema: Event.extend({ channels: z.array(z.string()) }) } } } },
    responses: {
      200: {
        description: 'Published',
        content: { 'application/json': { schema: z.object({ events: z.array(answer) }) } },
      },
      400: refused,
      409: refused,
      422: refused,
    },
  });
}

/** What needs a token: without one nobody has a stream of their own. */
function describeUserStreams(registry: Registry): void {
  registry.registerPath({
    method: 'get',
    path: '/sse',
    summary: "The caller's own stream: application and user are those of the token",
    request: { query: z.object(resume) },
    responses: { 200: STREAM, 204: OVER, 400: refused, 401: refused, 410: refused, 503: refused },
  });
  registry.registerPath({
    method: 'post',
    path: '/publish/users/{application}/{user}',
    summary: "Publish to a user's every connection, as to a channel",
    request: { params: z.object({ application: z.string(), user: z.string() }) },
    responses: { 200: { description: 'As of a channel' }, 401: refused, 403: refused },
  });
}
