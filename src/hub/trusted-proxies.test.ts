import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { TrustedProxies } from './trusted-proxies.js';

const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', 'loopback']);

describe('TrustedProxies', () => {
  it.each([
    ['a peer that is no proxy', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['a proxy that says nothing', '10.1.2.3', undefined, '10.1.2.3'],
    ['one proxy', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['two proxies', '127.0.0.1', '198.51.100.1, 10.9.9.9', '198.51.100.1'],
    ['an address that the client made up', '127.0.0.1', '1.2.3.4, 198.51.100.1, 10.9.9.9', '198.51.100.1'],
    ['proxies alone', '127.0.0.1', '10.0.0.2, 10.0.0.3', '10.0.0.2'],
    ['several headers', '127.0.0.1', ['1.2.3.4', '198.51.100.1, 10.9.9.9'], '198.51.100.1'],
    ['IPv4 in the form of IPv6', '::ffff:10.1.2.3', '::ffff:198.51.100.1', '198.51.100.1'],
    ['a port', '10.1.2.3', '198.51.100.1:4711', '198.51.100.1'],
    ['IPv6', '2001:db8::1', '2001:4860::1', '2001:4860::1'],
    ['IPv6 with a port', '2001:db8::1', '[2001:4860::1]:4711', '2001:4860::1'],
    ['nonsense before a proxy', '10.1.2.3', '198.51.100.1, nonsense, 10.9.9.9', '10.9.9.9'],
    ['nonsense', '10.1.2.3', 'unknown', '10.1.2.3'],
    ['nothing', '10.1.2.3', '', '10.1.2.3'],
    ['a Unix socket', undefined, '198.51.100.1', '198.51.100.1'],
    ['a Unix socket without a proxy', undefined, undefined, 'unix'],
  ])('clientAddress() sees %s', (_, peer, forwardedFor, address) => {
    expect(proxies.clientAddress(peer, forwardedFor)).toBe(address);
  });

  it('clientAddress() believes no proxy on a Unix socket unless loopback is trusted', () => {
    for (const others of [[], ['private', '192.0.2.7']])
      expect(new TrustedProxies(others).clientAddress(undefined, '198.51.100.1')).toBe('unix');
  });

  it('clientAddress() is never one that the client wrote itself', () => {
    const trusted = fc.constantFrom('10.0.0.1', '10.255.0.9', '192.0.2.7', '2001:db8::5', '::1');
    const anything = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), trusted);
    fc.assert(
      fc.property(fc.array(anything), fc.array(trusted), trusted, (written, between, peer) => {
        // What the client sent, what the first proxy saw of it, and the proxies after that.
        const header = [...written, '203.0.113.50', ...between].join(', ');
        expect(proxies.clientAddress(peer, header)).toBe(between.length < 32 ? '203.0.113.50' : between.at(-32));
      }),
    );
  });

  it.each(['10.0.0.0/33', '10.0.0/8', 'example.org', '', '10.0.0.0/8/8', '::1/129', '10.0.0.1/x'])(
    'refuses %j',
    (proxy) => {
      expect(() => new TrustedProxies([proxy])).toThrow(`Cannot trust proxy "${proxy}"`);
    },
  );
});
