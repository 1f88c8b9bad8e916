import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { readWebhookSecret, signatureHeaders } from './webhook-signature.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

describe('signatureHeaders()', () => {
  it('signs as the known example of Standard Webhooks does', () => {
    const signable = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', nowMs: 1_614_265_330_999, body: '{"test": 2432232314}' };
    expect(signatureHeaders(signable, readWebhookSecret(SECRET))).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('signs nothing without a key', () => {
    expect(signatureHeaders({ id: 'a', nowMs: 0, body: '' }, undefined)).not.toHaveProperty('webhook-signature');
  });
});

describe('readWebhookSecret()', () => {
  it('takes what follows whsec_ as base64, and any other text as it is', () => {
    expect(readWebhookSecret('whsec_aGVsbG8=').export().toString()).toBe('hello');
    expect(readWebhookSecret('hällo').export().toString()).toBe('hällo');
  });

  it.each(['', 'whsec_', 'whsec_no base64!', 'whsec_abc', 'whsec_ab=c'])(
    'refuses %j, and does not show it',
    (secret) => {
      expect(() => readWebhookSecret(secret)).toThrow(TypeError);
      expect(() => readWebhookSecret(secret)).not.toThrow(/no base64!|abc/);
    },
  );

  it('makes a key that does not show itself', () => {
    const key = readWebhookSecret('a very secret text');
    expect(inspect(key) + JSON.stringify(key)).not.toContain('very secret');
  });
});
