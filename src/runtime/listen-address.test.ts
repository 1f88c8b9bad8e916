import { expect, it } from 'vitest';

import { isLocalAddress, readListenAddress } from './listen-address.js';

it('readListenAddress() takes an IPv6 address with brackets and without, and a Unix socket', () => {
  for (const host of ['::1', '[::1]']) expect(readListenAddress(host)).toEqual({ kind: 'tcp', host: '::1' });
  expect(readListenAddress('localhost')).toEqual({ kind: 'tcp', host: 'localhost' });
  expect(readListenAddress('unix:/run/a.sock')).toEqual({ kind: 'unix', path: '/run/a.sock' });
});

it('isLocalAddress() knows which addresses only this machine reaches', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '[::1]', 'unix:/a'])
    expect([host, isLocalAddress(host)]).toEqual([host, true]);
  for (const host of ['0.0.0.0', '::', '[::]', '10.0.0.1', 'hub.example', '1270.0.0.1', '[::1', '::ffff:10.0.0.1'])
    expect([host, isLocalAddress(host)]).toEqual([host, false]);
});
