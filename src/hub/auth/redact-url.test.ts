import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { redactUrl } from './redact-url.js';

test.each([
  ['/sse', '/sse'],
  ['/sse?last=5', '/sse?last=5'],
  ['/sse?token=abc&last=5', '/sse?token=[redacted]&last=5'],
  ['/sse?last=5&Authorization=Bearer%20abc', '/sse?last=5&Authorization=[redacted]'],
  ['/sse?TOKEN=abc&%74oken=abc&access_token=abc', '/sse?TOKEN=[redacted]&token=[redacted]&access_token=[redacted]'],
  ['/sse?token=a?token=b', '/sse?token=[redacted]'],
  ['/sse?token', '/sse?token=[redacted]'],
  // A URL's query is read without a second question mark.
  ['/sse??token=abc', '/sse?token=[redacted]'],
])('redactUrl() writes %s as %s', (url, redacted) => expect(redactUrl(url)).toBe(redacted));

test('redactUrl() lets no token through that findCredential() would take', () => {
  const noise = fc.constantFrom('a=1', 'token=', '%zz=1', '', '=', '&', '?', 'x?y=2');
  const name = fc.constantFrom('token', 'Authorization', '%74oken', 'toke%6e', '%41uthorization');
  fc.assert(
    fc.property(fc.array(noise), name, fc.array(noise), (before, key, after) => {
      const query = [...before, `${key}=SECRET`, ...after].join('&');
      const isTaken = ['token', 'Authorization'].some((known) =>
        new URLSearchParams(query).getAll(known).includes('SECRET'),
      );
      expect(isTaken).toBe(true);
      expect(redactUrl(`/sse?${query}`)).not.toContain('SECRET');
    }),
  );
});
