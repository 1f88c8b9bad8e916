import type { IncomingMessage, ServerResponse } from 'node:http';

import { getRequestListener } from '@hono/node-server';
import type { HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';

/** The framework's application, whose routes can see Node's own request. */
export type App = OpenAPIHono<{ Bindings: HttpBindings }>;

/** Node's own request, as a route sees it. */
export type Incoming = HttpBindings['incoming'];

/** Answers a request of Node's by the routes of `app`. */
export type AppListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export function listenerOf(app: App): AppListener {
  return getRequestListener(app.fetch, { overrideGlobalObjects: false });
}
