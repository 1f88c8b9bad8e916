import { describe, expect, it } from 'vitest';
import { findEnvironmentProxy } from './environment-proxy.js';

const proxyOf = (url: string, env: Readonly<Record<string, string>>): string | undefined =>
  findEnvironmentProxy(new URL(url), env)?.url;

const PLAIN = 'http://feed.example/stream';
const SECURE = 'https://feed.example/stream';

describe('findEnvironmentProxy()', () => {
  it.each([
    ['no variable', PLAIN, {}, undefined],
    ['http_proxy', PLAIN, { http_proxy: 'http://p:1' }, 'http://p:1'],
    ['HTTP_PROXY', PLAIN, { HTTP_PROXY: 'http://p:1' }, 'http://p:1'],
    ['https_proxy', SECURE, { https_proxy: 'http://p:1' }, 'http://p:1'],
    ['HTTPS_PROXY', SECURE, { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
    ['that of the other scheme, for http', PLAIN, { HTTPS_PROXY: 'http://p:1' }, undefined],
    ['that of the other scheme, for https', SECURE, { HTTP_PROXY: 'http://p:1' }, undefined],
    ['all_proxy', SECURE, { all_proxy: 'http://p:1' }, 'http://p:1'],
    ['ALL_PROXY', PLAIN, { ALL_PROXY: 'http://p:1' }, 'http://p:1'],
    ['ALL_PROXY under the own one', SECURE, { ALL_PROXY: 'http://a:1', HTTPS_PROXY: 'http://b:1' }, 'http://b:1'],
    ['lower case over upper', SECURE, { HTTPS_PROXY: 'http://a:1', https_proxy: 'http://b:1' }, 'http://b:1'],
    ['an empty one, as if it were not set', SECURE, { https_proxy: '', HTTPS_PROXY: 'http://b:1' }, 'http://b:1'],
    ['one without a scheme', SECURE, { HTTPS_PROXY: 'u:p@proxy:3128' }, 'http://u:p@proxy:3128'],
    ['HTTP_PROXY, where it is the header of a request', PLAIN, { HTTP_PROXY: 'p', REQUEST_METHOD: 'GET' }, undefined],
    ['http_proxy, which no header can be', PLAIN, { http_proxy: 'p', REQUEST_METHOD: 'GET' }, 'http://p'],
  ] as const)('goes by %s', (_, url, env, expected) => {
    expect(proxyOf(url, env)).toBe(expected);
  });

  it.each(['socks5://127.0.0.1:1080', 'http://', 'a b', 'http://:s3cret@'])(
    'refuses %j, says which variable it is, and does not show it',
    (value) => {
      const find = (): unknown => proxyOf(SECURE, { HTTPS_PROXY: value });
      expect(find).toThrow(
        expect.objectContaining({ code: 'bad-value', message: expect.stringContaining('variable HTTPS_PROXY') }),
      );
      expect(find).not.toThrow(/s3cret|socks5/);
    },
  );

  it.each([
    ['*', 'feed.example', true],
    ['feed.example', 'feed.example', true],
    ['FEED.example', 'feed.example', true],
    ['example', 'feed.example', true],
    ['.example', 'feed.example', true],
    ['*.example', 'feed.example', true],
    ['.feed.example', 'feed.example', true],
    ['feed.example.', 'feed.example', true],
    ['d.example', 'feed.example', false],
    ['feed.example.org', 'feed.example', false],
    ['other, feed.example', 'feed.example', true],
    ['other feed.example', 'feed.example', true],
    ['feed.example:443', 'feed.example', true],
    ['feed.example:8443', 'feed.example', false],
    ['feed.example:8443', 'feed.example:8443', true],
    [',', 'feed.example', false],
    ['.', 'feed.example', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['2.3', '10.1.2.3', false],
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/16', '10.1.2.3', false],
    ['10.0.0.0/99', '10.1.2.3', false],
    ['2001:db8::1', '[2001:db8:0::1]', true],
    ['[2001:db8::1]:443', '[2001:db8::1]', true],
    ['2001:db8::/32', '[2001:db8:1::9]', true],
    ['fd00::/8', '10.1.2.3', false],
  ])('with NO_PROXY %j leaves %s alone: %s', (noProxy, host, isExempt) => {
    for (const name of ['NO_PROXY', 'no_proxy'])
      expect(proxyOf(`https://${host}/`, { HTTPS_PROXY: 'http://p:1', [name]: noProxy }) === undefined).toBe(isExempt);
  });

  it.each(['localhost', 'a.localhost', '127.0.0.1', '127.9.9.9', '[::1]'])('never sends %s elsewhere', (host) => {
    expect(proxyOf(`http://${host}:8080/`, { HTTP_PROXY: 'http://p:1', ALL_PROXY: 'http://p:1' })).toBeUndefined();
  });
});
