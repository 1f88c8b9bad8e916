import { describe, expect, test } from 'vitest';

import type { HubError } from './errors.js';
import { meantBy, refuseMisnamed } from './query-names.js';
import type { NamedRoute } from './query-names.js';

describe('meantBy() knows', () => {
  test.each([
    ['subscribe', 'lasteventid', 'lastEventId'],
    ['subscribe', 'lastEventID', 'lastEventId'],
    ['subscribe', 'Last-Event-ID', 'lastEventId'],
    ['subscribe', 'last_event_id', 'lastEventId'],
    ['subscribe', 'lastEvntI', 'lastEventId'],
    ['subscribe', 'last-id', 'lastEventId'],
    ['subscribe', 'topic', 'channel'],
    ['subscribe', 'topics', 'channel'],
    ['subscribe', 'channels', 'channel'],
    ['subscribe', 'chanel', 'channel'],
    ['subscribe', 'chanl', 'channel'],
    ['subscribe', 'Channel', 'channel'],
    ['subscribe', 'sicne', 'since'],
    ['subscribe', 'lsat', 'last'],
    ['subscribe', 'envelop', 'envelope'],
    ['subscribe', 'authorization', 'Authorization'],
    ['subscribe', 'authorisation', 'Authorization'],
    ['subscribe', 'access_token', 'token'],
    ['subscribe', 'tokne', 'token'],
    ['subscribe', 'refusal', 'refusals'],
    ['subscribe', 'controls', 'control'],
    ['publish', 'type', 'event'],
    ['publish', 'event_type', 'event'],
    ['publish', 'evnet', 'event'],
    ['publish', 'ID', 'id'],
    ['publish', 'rwa', 'raw'],
    ['publish', 'ends', 'end'],
    ['publish', 'authorization', 'Authorization'],
  ] as const)('on /%s that %s is %s', (route, name, meant) => {
    expect(meantBy(name, route)).toBe(meant);
  });

  const OWN: Readonly<Record<NamedRoute, readonly string[]>> = {
    subscribe: ['channel', 'lastEventId', 'since', 'last', 'envelope', 'token', 'Authorization', 'refusals', 'control'],
    publish: ['id', 'event', 'end', 'raw', 'token', 'Authorization'],
  };
  test.each(Object.entries(OWN))('the names of /%s themselves', (route, names) => {
    for (const name of names) expect(meantBy(name, route as NamedRoute)).toBeUndefined();
  });

  const INNOCENT = [
    '',
    '_',
    't',
    'v',
    'cb',
    'ts',
    'rnd',
    'datastar',
    'page',
    'lang',
    'locale',
    'user',
    'key',
    'list',
    'lat',
    'lng',
    'row',
    'send',
    'env',
    'tenant',
    'session',
    'size',
    'open',
    'agent',
    'retry',
    'heartbeat',
    'filter',
    'stream',
    'format',
    'debug',
    'tag',
    'callback',
    'utm_source',
    'constructor',
    '__proto__',
    'x'.repeat(5e3),
  ];
  test.each(['subscribe', 'publish'] as const)('on /%s that other parameters are for somebody else', (route) => {
    expect(INNOCENT.filter((name) => meantBy(name, route) !== undefined)).toEqual([]);
  });
});

test('refuseMisnamed() says the right name', () => {
  const query = new URLSearchParams('datastar=%7B%7D&last_event_id=5');
  expect(() => refuseMisnamed(query, 'subscribe')).toThrow(
    expect.objectContaining({
      code: 'invalid-query',
      message: 'Cannot take "last_event_id" from the query: did you mean "lastEventId"?',
    }) as HubError,
  );
  refuseMisnamed(query, 'publish');
});

test('refuseMisnamed() costs a query of a thousand names little', () => {
  const query = new URLSearchParams(
    Array.from({ length: 1000 }, (_, at) => `${'lastEvent'.repeat(3)}${at}=`).join('&'),
  );
  const startedMs = performance.now();
  for (let round = 0; round < 10; round += 1) refuseMisnamed(query, 'subscribe');
  expect((performance.now() - startedMs) / 10).toBeLessThan(20);
});
