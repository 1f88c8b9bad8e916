import { createHmac, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

const PREFIX = 'whsec_';
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Bytes below which a secret can be guessed from one request (Standard Webhooks, "Signature scheme"). */
export const WEBHOOK_SECRET_BYTES_ADVISED = 24;

/** A secret as it is used; what prints it shows nothing of it. */
export type WebhookKey = KeyObject;

/**
 * The key of a secret: what follows `whsec_` is base64, any other text is taken as its UTF-8 bytes.
 * @throws TypeError where it is empty or no base64; the message shows nothing of it.
 */
export function readWebhookSecret(secret: string): WebhookKey {
  const isEncoded = secret.startsWith(PREFIX);
  const encoded = isEncoded ? secret.slice(PREFIX.length) : '';
  if (isEncoded && !(BASE64.test(encoded) && encoded.length % 4 === 0))
    throw new TypeError('Cannot sign webhooks: what follows whsec_ in the secret is no base64');
  const bytes = isEncoded ? Buffer.from(encoded, 'base64') : Buffer.from(secret, 'utf8');
  if (bytes.length === 0) throw new TypeError('Cannot sign webhooks with an empty secret');
  return createSecretKey(bytes);
}

/** What a signature covers. */
export interface Signable {
  /** The same for every attempt, so that a receiver can tell a repeat. */
  readonly id: string;
  /** When this attempt is made, in ms since 1970; sent in seconds. */
  readonly nowMs: number;
  readonly body: string;
}

/**
 * The headers that prove where a request comes from: HMAC-SHA256 over `<id>.<timestamp>.<body>`, in base64 behind `v1,`
 * (Standard Webhooks 1.0; PROTOCOL.md, 12.2). Without a key there is no signature.
 */
export function signatureHeaders({ id, nowMs, body }: Signable, key: WebhookKey | undefined): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp };
  if (key === undefined) return headers;
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${mac}` };
}
