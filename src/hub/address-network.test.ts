import { isIPv6 } from 'node:net';

import { assert, boolean, integer, ipV6, pre, property, tuple } from 'fast-check';
import { expect, test } from 'vitest';

import { networkOf } from './address-network.js';

const spell = (groups: readonly number[], isPadded: boolean): string =>
  groups.map((one) => one.toString(16).padStart(isPadded ? 4 : 1, '0')).join(':');

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['', ''],
  ['::1', '0:0:0:0::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:DB8:0::2', '2001:db8:0:0::/64'],
  ['2001:db8:0:1::2', '2001:db8:0:1::/64'],
  ['2001:db8:0:0:1:2:3:4', '2001:db8:0:0::/64'],
  ['1:2:3:4:5::', '1:2:3:4::/64'],
  ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4::/64'],
  ['::5:6:7:8:192.0.2.1', '0:0:5:6::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b::192.0.2.1'],
])('%j counts as %j', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('all addresses of a /64 count as one, and no others, however they are spelled', () => {
  const group = integer({ min: 0, max: 0xff_ff });
  const four = tuple(group, group, group, group);
  assert(
    property(four, four, four, boolean(), (network, host, other, isPadded) => {
      pre(network[0] !== 0x64 && other[0] !== 0x64);
      const own = networkOf(spell([...network, ...host], isPadded));
      expect(own).toBe(networkOf(spell([...network, ...other], false)));
      expect(own === networkOf(spell([...other, ...host], false))).toBe(network.join(':') === other.join(':'));
    }),
  );
});

test('every IPv6 address has a network', () => {
  assert(
    property(ipV6(), (address) => {
      pre(isIPv6(address) && !/^64:ff9b:/i.test(address));
      expect(networkOf(address)).toMatch(/^([0-9a-f]{1,4}:){4}:\/64$/);
    }),
  );
});
