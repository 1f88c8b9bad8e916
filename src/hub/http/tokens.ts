import type { IncomingMessage } from 'node:http';

import { z } from '@hono/zod-openapi';

import { quote } from '../../protocol/index.js';
import { requireConnections } from '../auth/access.js';
import { KEEP_MS } from '../auth/revocations.js';
import type { RevocationTarget } from '../auth/revocations.js';
import { HubError } from '../errors.js';
import type { HubCore } from '../hub.js';
import { refused } from './answer-schemas.js';
import type { App } from './app.js';
import { callerOf } from './caller.js';
import { publisherOf } from './publisher.js';
import { readBody } from './request-body.js';

/** Bytes of the body: three names, each as long as a token may have it. */
const BODY_BYTES_MAX = 16 * 1024;

/** Half of a character has no UTF-8: two such names would be one in Redis. */
const Text = z
  .string()
  .min(1)
  .max(1000)
  .refine((text) => text.isWellFormed(), 'it holds half of a character');

const Revoke = z
  .strictObject({ application: Text, user: Text.optional(), jti: Text.optional() })
  .refine(({ user, jti }) => user === undefined || jti === undefined, 'name a user or a jti, not both');

/** `POST /tokens/revoke` (PROTOCOL.md, 11.8); whoever may manage an application's connections may revoke its tokens. */
export function addTokens(app: App, hub: HubCore): void {
  app.openAPIRegistry.registerPath({
    method: 'post',
    path: '/tokens/revoke',
    summary: 'Take tokens back: one by its jti, those of a user, or those of an application',
    request: { body: { required: true, content: { 'application/json': { schema: Revoke } } } },
    responses: { 204: { description: 'They are no good any more' }, 400: refused, 401: refused, 403: refused },
  });
  app.post('/tokens/revoke', async (context) => {
    const { incoming } = context.env;
    // Read as every other body is: the framework's own reader has neither a bound nor a clock.
    const { application, user, jti } = await readRevoke(hub, incoming);
    requireConnections(callerOf(incoming), 'manage', application);
    const nowMs = hub.settings.clock.now();
    const target: RevocationTarget =
      jti === undefined
        ? user === undefined
          ? { application }
          : { application, user }
        : { application, tokenId: jti };
    await hub.backplane.revoke({ target, issuedBeforeMs: nowMs, expiresAtMs: nowMs + KEEP_MS });
    return context.body(null, 204);
  });
}

/** @throws HubError `unsupported-media-type`, `invalid-json`, `invalid-query`, and those of {@link readBody}. */
async function readRevoke(hub: HubCore, request: IncomingMessage): Promise<z.infer<typeof Revoke>> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json *(;|$)/i.test(type))
    throw new HubError(
      'unsupported-media-type',
      `Cannot revoke by a body of type ${quote(type)}: send application/json`,
    );
  const publisher = publisherOf(hub, request, callerOf(request));
  const { success, data, error } = Revoke.safeParse(
    parse(
      await readBody(request, {
        bytesMax: BODY_BYTES_MAX,
        share: hub.bodies,
        publisher,
        clock: hub.settings.clock,
        departure: hub.departure,
      }),
    ),
  );
  if (success) return data;
  const issue = error.issues[0];
  throw new HubError('invalid-query', `Cannot read ${issue?.path.join('.') || 'the body'}: ${issue?.message ?? ''}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HubError('invalid-json', 'Cannot read the body as JSON');
  }
}
