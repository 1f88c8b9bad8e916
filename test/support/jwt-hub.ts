import { createHmac } from 'node:crypto';

import { mintToken } from '../../src/hub/index.js';
import type { AuthOptions, HubOptions } from '../../src/hub/index.js';
import { HubServer } from './hub-server.js';

export const JWT_SECRET = 'a secret of more than thirty-two bytes, for tests alone';
export const JWT_AUTH: AuthOptions = { mode: 'jwt', token: { keys: { algorithm: 'HS256', secret: JWT_SECRET } } };

/** A hub that asks for tokens. */
export function startJwtHub(options: HubOptions = {}): Promise<HubServer> {
  return HubServer.start({ auth: JWT_AUTH, ...options });
}

/** A good token of `user` in `application`. */
export function tokenOf(grants: object, user = 'ann', application = 'shop'): Promise<string> {
  return mintToken({
    secret: JWT_SECRET,
    application,
    user,
    lifetimeMs: 600_000,
    nowMs: Date.now(),
    grants: { ...grants },
  });
}

export async function bearerOf(...token: Parameters<typeof tokenOf>): Promise<{ readonly Authorization: string }> {
  return { Authorization: `Bearer ${await tokenOf(...token)}` };
}

/** A token of any header and any payload, with the right HMAC for `secret`. */
export function hmacToken(header: object, payload: string, secret = JWT_SECRET): string {
  const signed = [JSON.stringify(header), payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
