import { createRoute, z } from '@hono/zod-openapi';

import { requireConnections } from '../auth/access.js';
import { KEEP_MS } from '../auth/revocations.js';
import type { RevocationTarget } from '../auth/revocations.js';
import type { HubCore } from '../hub.js';
import { refused } from './answer-schemas.js';
import type { App } from './app.js';
import { callerOf } from './caller.js';

/** Half of a character has no UTF-8: two such names would be one in Redis. */
const Text = z
  .string()
  .min(1)
  .max(1000)
  .refine((text) => text.isWellFormed(), 'it holds half of a character');

const REVOKE = createRoute({
  method: 'post',
  path: '/tokens/revoke',
  summary: 'Take tokens back: one by its jti, those of a user, or those of an application',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .strictObject({ application: Text, user: Text.optional(), jti: Text.optional() })
            .refine(({ user, jti }) => user === undefined || jti === undefined, 'name a user or a jti, not both'),
        },
      },
    },
  },
  responses: { 204: { description: 'They are no good any more' }, 400: refused, 401: refused, 403: refused },
});

/** `POST /tokens/revoke` (PROTOCOL.md, 11.8); who may manage an application's connections may. */
export function addTokens(app: App, hub: HubCore): void {
  app.openapi(REVOKE, async (context) => {
    const { application, user, jti } = context.req.valid('json');
    requireConnections(callerOf(context.env.incoming), 'manage', application);
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
