import { describe, expect, it } from 'vitest';

import { findCredential } from './credential.js';
import type { AuthRequest, Credential } from './credential.js';

interface Asked {
  readonly method?: string;
  readonly headers?: AuthRequest['headers'];
  readonly query?: string;
  readonly cookie?: string;
}

const LISTED = 'https://app.example';

function find({ method = 'GET', headers = {}, query = '', cookie = 'session' }: Asked): Credential | undefined {
  const request = { method, headers: { host: 'hub.example', ...headers }, query: new URLSearchParams(query) };
  return findCredential(request, { cookie, origins: [LISTED, '*'] });
}

const refusal = (code: string): unknown => expect.objectContaining({ code });

describe('findCredential()', () => {
  it.each([
    [{ headers: { authorization: 'Bearer abc' } }, { text: 'abc', from: 'bearer' }],
    [{ headers: { authorization: 'bearer  abc ' } }, { text: 'abc', from: 'bearer' }],
    [{ headers: { 'x-api-key': 'abc' } }, { text: 'abc', from: 'api-key' }],
    [{ query: 'token=abc' }, { text: 'abc', from: 'query' }],
    [{ query: 'Authorization=abc' }, { text: 'abc', from: 'query' }],
    [{ query: 'Authorization=Bearer%20abc' }, { text: 'abc', from: 'query' }],
    [{ headers: { cookie: 'a=1; session=abc; b=2' } }, { text: 'abc', from: 'cookie' }],
    [{ headers: { cookie: 'session=abc' }, cookie: 'other' }, undefined],
    [{ headers: { cookie: 'my-session=abc' } }, undefined],
    [{ headers: { authorization: 'Basic YWJj' } }, undefined],
    [{ headers: { authorization: 'Bearer ' }, query: 'token=' }, undefined],
  ])('reads %j', (asked, found) => expect(find(asked)).toEqual(found));

  it('takes what was sent on purpose over the cookie that a browser adds', () => {
    const headers = { cookie: 'session=old', origin: 'https://evil.example' };
    expect(find({ headers, query: 'token=new' })).toEqual({ text: 'new', from: 'query' });
  });

  it('refuses two different tokens: a proxy and the hub could each believe another', () => {
    const ambiguous = refusal('token-ambiguous');
    expect(() => find({ headers: { authorization: 'Bearer a' }, query: 'token=b' })).toThrow(ambiguous);
    expect(() => find({ query: 'token=a&token=b' })).toThrow(ambiguous);
    expect(() => find({ headers: { authorization: 'Bearer a', 'x-api-key': 'b' } })).toThrow(ambiguous);
    expect(() => find({ headers: { cookie: 'session=a; session=b' } })).toThrow(ambiguous);
    expect(find({ headers: { authorization: 'Bearer a' }, query: 'token=a' })?.text).toBe('a');
  });

  it.each([
    ['a page of a foreign origin', { origin: 'https://evil.example' }],
    ['a sandboxed page', { origin: 'null' }],
    ['a page of another port', { origin: 'https://hub.example:8443' }],
    ['an image in a page of another site', { 'sec-fetch-site': 'cross-site' }],
  ])('does not let %s read by the cookie of its visitor', (_who, headers) => {
    expect(() => find({ headers: { cookie: 'session=abc', ...headers } })).toThrow(refusal('foreign-origin'));
  });

  it('says which setting lets a page use the cookie', () => {
    const headers = { cookie: 'session=abc', origin: 'https://evil.example' };
    expect(() => find({ headers })).toThrow('list the origin in http.cors.origins');
    expect(() => find({ method: 'POST', headers })).toThrow('list the origin in http.cors.origins');
  });

  it.each([{}, { origin: 'https://hub.example' }, { origin: LISTED }, { 'sec-fetch-site': 'same-origin' }])(
    'lets a page of the hub or of a listed origin read by cookie: %j',
    (headers) => expect(find({ headers: { cookie: 'session=abc', ...headers } })?.text).toBe('abc'),
  );

  it.each([{}, { origin: 'https://hub.example' }, { origin: 'https://evil.example' }, { origin: 'null' }])(
    'does not let a page publish by the cookie of its visitor: %j',
    (headers) => {
      const asked = { method: 'POST', headers: { cookie: 'session=abc', ...headers } };
      expect(() => find(asked)).toThrow(refusal('foreign-origin'));
    },
  );

  it('lets a page of a listed origin publish by cookie', () => {
    expect(find({ method: 'POST', headers: { cookie: 'session=abc', origin: LISTED } })?.text).toBe('abc');
  });

  it('compares the origin with the host that HTTP/2 names', () => {
    const headers = { cookie: 'session=abc', origin: 'https://h2.example', ':authority': 'h2.example' };
    expect(find({ headers })?.text).toBe('abc');
  });
});
