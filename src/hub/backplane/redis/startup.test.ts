import { describe, expect, test } from 'vitest';

import { addressOf, explain, isFatal, judge, readFacts } from './startup.js';

const FINE = {
  version: '7.0.15',
  isReplica: false,
  isAppendOnly: true,
  evictionPolicy: 'noeviction',
  hasMemoryLimit: true,
  metaType: 'none',
};

describe('judge()', () => {
  test('takes a Redis that keeps what it is given', () => {
    expect(judge(FINE, 'k')).toEqual({ refusal: undefined, warnings: [] });
    expect(judge({ ...FINE, metaType: 'hash' }, 'k').refusal).toBeUndefined();
    // Without a limit nothing is ever given up.
    expect(judge({ ...FINE, evictionPolicy: 'allkeys-lru', hasMemoryLimit: false }, 'k').warnings).toEqual([]);
  });

  test.each(['5.0.7', '6.0.16', '6.1.240', ''])('refuses version %j', (version) => {
    expect(judge({ ...FINE, version }, 'k').refusal).toContain('6.2 or newer is needed');
  });

  test.each(['6.2.0', '6.2.14', '7.4.1', '8.0.0'])('takes version %s', (version) => {
    expect(judge({ ...FINE, version }, 'k').refusal).toBeUndefined();
  });

  test('refuses a replica, and a key of another kind', () => {
    expect(judge({ ...FINE, isReplica: true }, 'k').refusal).toContain('replica');
    expect(judge({ ...FINE, metaType: 'zset' }, 'k').refusal).toContain('its key k is a zset');
  });
});

test('readFacts() finds in the description of Redis what matters', () => {
  const info =
    'redis_version:6.2.6\r\nrole:slave\r\naof_enabled:1\r\nmaxmemory:100\r\nmaxmemory_policy:volatile-ttl\r\n';
  expect(readFacts([Buffer.from(info), Buffer.from('hash')])).toEqual({
    version: '6.2.6',
    isReplica: true,
    isAppendOnly: true,
    evictionPolicy: 'volatile-ttl',
    hasMemoryLimit: true,
    metaType: 'hash',
  });
});

test('isFatal() tells what does not pass from what may', () => {
  expect(['WRONGPASS', 'NOAUTH', 'NOPERM'].every(isFatal)).toBe(true);
  expect(isFatal('ECONNREFUSED')).toBe(false);
});

describe('explain()', () => {
  const place = { address: '10.0.0.1:6379', setting: 'redis.url' };

  test.each([
    ['ECONNREFUSED', 'connection refused. Start it or set redis.url.'],
    ['ENOTFOUND', 'there is no such host. Correct redis.url.'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'it does not speak TLS there. Write redis:// and not rediss:// in redis.url.'],
    ['ETIMEDOUT', 'it does not answer (ETIMEDOUT). Correct redis.url: where it speaks TLS, write rediss://.'],
    [undefined, 'it does not answer. Correct redis.url: where it speaks TLS, write rediss://.'],
  ])('says what %s means and what to do', (reason, sentence) => {
    expect(explain(reason, place)).toBe(`Cannot connect to Redis at 10.0.0.1:6379: ${sentence}`);
  });
});

test('addressOf() says host and port, and never user or password', () => {
  const sentinels = [{ host: 'a', port: 1 }];
  expect(addressOf({ urls: ['redis://user:hunter2@h'], sentinels: [] })).toBe('h:6379');
  expect(addressOf({ urls: ['rediss://[::1]:7000/2', 'redis://b:1'], sentinels: [] })).toBe('[::1]:7000, b:1');
  expect(addressOf({ urls: ['redis://:hunter2@h'], sentinels })).toBe('the sentinels a:1');
});
