import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createGunzip } from 'node:zlib';

import { describe, expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';
import { bearerOf, startJwtHub } from '../support/jwt-hub.js';
import { askRaw } from '../support/raw-request.js';
import { StreamClient } from '../support/stream-client.js';

const TEXT = { 'Content-Type': 'text/plain' };

/** What a client may claim to have had last; `$` stands for the epoch of the hub. */
const CURSORS = [
  '$-9007199254740991',
  '$-9007199254740992',
  '$-18446744073709551616',
  '$--1',
  '$-1e1',
  '$-01',
  '$-1 ',
  '$-',
  '~aaaaaaaa-1',
  '~AAAAAAAA-1',
  '$-1\nevent: tidegate.end',
  '$-1\r\rdata: forged',
  '$-1\0',
  '\nid: 1',
  '<script>',
  'é\u2028\ud83d\ude00',
  '__proto__',
  '%0A',
];

const LONG = 'x'.repeat(20_000);

describe('a reader forges a cursor', () => {
  test.each([...CURSORS.map((text) => [JSON.stringify(text), text] as const), ['20,000 letters', LONG]] as const)(
    'in the query: %s',
    async (_name, text) => {
      await using hub = await HubServer.start();
      const { cursor } = await hub.hub.publish('a', { data: 'kept' });
      const value = text.replace('$', cursor.split('-')[0] ?? '');
      for (const name of ['lastEventId', 'since']) {
        const target = `a?${name}=${encodeURIComponent(value)}`;
        await using client = await hub.subscribe(target);
        if (client.status === 400) continue;
        await client.event('tidegate.live');
        // What cannot be resumed from is told, with all that is kept; nothing of it becomes a field.
        expect(client.types).toEqual(['tidegate.open', 'tidegate.gap', 'message', 'tidegate.live']);
        expect([client.data, client.lastEventId]).toEqual([['kept'], cursor]);
        expect(JSON.parse(client.events[1]?.data ?? '').requested.length).toBeLessThanOrEqual(200);
      }
    },
  );

  test.each([
    ['ahead of the hub', '$-9007199254740991'],
    ['of another hub', '~aaaaaaaa-1'],
    ['of bytes that are no UTF-8', '\u00ff\u00fe'],
    ['cut inside a character', '\u00c3\u0028'],
    ['of HTML', '<script>'],
    ['with a tab', 'a\tb'],
    ['of 20,000 letters', LONG],
  ])('in the header: %s', async (_name, text) => {
    await using hub = await HubServer.start();
    const { cursor } = await hub.hub.publish('a', { data: 'kept' });
    const value = text.replace('$', cursor.split('-')[0] ?? '');
    for (const more of [[], ['TE: trailers']]) {
      const headers = [`Last-Event-ID: ${value}`, ...more];
      const { status, text: answer } = await askRaw(hub.port, { method: 'GET', target: '/subscribe/a', headers });
      const isTold = status === 400 || /event: tidegate\.gap\r?\n(retry: \d+\n)?data: \{"reason":"/.test(answer);
      expect([status, isTold]).toEqual([status, true]);
    }
  });

  test('of the stream of another user, and gets that', async () => {
    await using hub = await startJwtHub();
    const boss = { ...(await bearerOf({ users: true }, 'boss')), ...TEXT };
    const bobs = await hub.publish('users/shop/bob', 'for bob', boss);
    await hub.publish('users/shop/bob', 'for bob too', boss);
    await hub.publish('users/shop/ann', 'for ann', boss);
    await using client = await StreamClient.open(`${hub.url}/sse`, {
      headers: { ...(await bearerOf({}, 'ann')), 'Last-Event-ID': String(bobs.body['cursor']) },
    });
    await client.event('tidegate.live');
    expect(client.data).toEqual(['for ann']);
    expect(client.raw).not.toContain('bob');
  });
});

describe('a caller that may read every channel', () => {
  test('finds the streams of users in the list of channels', async () => {
    await using hub = await startJwtHub();
    await hub.publish('users/shop/ann', 'x', { ...(await bearerOf({ users: true }, 'boss')), ...TEXT });
    const headers = await bearerOf({ subscribe: ['*', 'tidegate.*'], connections: 'manage', operate: 'read' }, 'eve');
    for (const after of ['', '/', '/users', '/users/'])
      expect((await hub.get(`/channels?all=true&limit=1000&after=${after}`, headers)).body['channels']).toEqual([]);
  });

  test.each([
    '/subscribe/%2Fusers%2Fshop%2Fann',
    '/subscribe/users/shop/ann',
    '/subscribe//users/shop/ann',
    '/subscribe?channel=/users/shop/ann',
    '/subscribe?channel=%2Fusers%2Fshop%2Fann',
    '/subscribe?channel=a&channel=/users/shop/ann',
    '/subscribe/=L3VzZXJzL3Nob3AvYW5u',
    '/channels/%2Fusers%2Fshop%2Fann/history',
    '/channels/%252Fusers%252Fshop%252Fann/history',
    '/channels/users/shop/ann/history',
    '/channels/..%2Fusers%2Fshop%2Fann',
    '/sse?channel=/users/shop/ann',
  ])('reads the stream of a user by %j', async (target) => {
    await using hub = await startJwtHub();
    await hub.publish('users/shop/ann', 'for ann', { ...(await bearerOf({ users: true }, 'boss')), ...TEXT });
    const { Authorization } = await bearerOf({ subscribe: ['*', 'tidegate.*'] }, 'eve');
    const separator = target.includes('?') ? '&' : '?';
    const headers = [`Authorization: ${Authorization}`, 'Connection: close'];
    const { text } = await askRaw(hub.port, { method: 'GET', target: `${target}${separator}last=all`, headers });
    expect(text).toMatch(/^HTTP\/1\.1 (200|4\d\d) /);
    expect(text).not.toContain('for ann');
  });
});

describe('a user reads a channel that is not granted', () => {
  test.each([
    ['news.*', 'news'],
    ['news.*', 'newsletter'],
    ['news.*', 'xnews.a'],
    ['news', 'NEWS'],
    ['news', 'nеws'],
    ['n*s', 'tidegate.news'],
    ['*', 'tidegate.connections.shop'],
    ['*.a.*', 'x.ab.y'],
    ['a*a', 'a'],
    ['café', 'cafe\u0301'],
  ])('by the grant %j: %j', async (pattern, channel) => {
    await using hub = await startJwtHub();
    const headers = await bearerOf({ subscribe: [pattern], publish: [pattern] });
    const name = encodeURIComponent(channel);
    for (const path of [
      `/subscribe/${name}`,
      `/subscribe?channel=${name}`,
      `/channels/${name}/history`,
      `/channels/${name}`,
    ])
      expect([400, 403]).toContain((await hub.get(path, headers)).status);
    const json = { ...headers, 'Content-Type': 'application/json' };
    expect([400, 403]).toContain((await hub.publish(name, '{"data":1}', json)).status);
    expect([400, 403]).toContain(
      (await hub.publish('', JSON.stringify({ channels: [channel], data: 1 }), json)).status,
    );
  });

  test('beside one that is granted', async () => {
    await using hub = await startJwtHub();
    const headers = await bearerOf({ subscribe: ['mine'] });
    for (const query of [
      'channel=mine&channel=theirs',
      'channel=theirs&channel=mine',
      'channel=mine&channel=mine&channel=theirs',
    ])
      expect([400, 403]).toContain((await hub.get(`/subscribe?${query}`, headers)).status);
    expect((await hub.get('/subscribe/mine?channel=theirs', headers)).status).toBe(400);
  });
});

describe('a page of history', () => {
  test.each(['0', '-1', '1001', '1e9', '1.5', 'NaN', 'Infinity', 'all', '', '1,2'])(
    'has the length %j',
    async (limit) => {
      await using hub = await HubServer.start();
      await hub.hub.publish('a', { data: '1' });
      for (const path of ['/channels/a/history', '/channels'])
        expect((await hub.get(`${path}?limit=${limit}`)).body).toMatchObject({ code: 'invalid-query' });
    },
  );

  test('is as large as all that is kept', async () => {
    await using hub = await HubServer.start();
    for (let at = 0; at < 6; at += 1) await hub.hub.publish('a', { data: 'x'.repeat(400_000) });
    const { body } = await hub.get('/channels/a/history?limit=1000');
    expect([(body['events'] as unknown[]).length, typeof body['next']]).toEqual([2, 'string']);
  });
});

/** Bytes of a compressed stream until its text holds `last`. */
async function compressedBytes(
  url: string,
  headers: object,
  last: string,
  act: () => Promise<unknown>,
): Promise<number> {
  const asked = request(url, { agent: false, headers: { ...headers, 'Accept-Encoding': 'gzip' } }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  expect(response.headers['content-encoding']).toBe('gzip');
  let [bytes, text] = [0, ''];
  const gunzip = createGunzip();
  response.on('data', (part: Buffer) => {
    bytes += part.length;
    gunzip.write(part);
  });
  const until = async (wanted: string): Promise<void> => {
    while (!text.includes(wanted)) text += String((await once(gunzip, 'data'))[0]);
  };
  await until('tidegate.live');
  const before = bytes;
  await act();
  await until(last);
  asked.destroy();
  return bytes - before;
}

describe('a listener on the network who sees only how long packets are', () => {
  const secret = randomBytes(3000).toString('base64');
  const guesses = [secret, randomBytes(3000).toString('base64')];

  test('confirms a guess of what one user gets by publishing it to another in the same flush', async () => {
    await using hub = await startJwtHub();
    const boss = { ...(await bearerOf({ users: true }, 'boss')), ...TEXT };
    const sizes: number[] = [];
    for (const guess of guesses) {
      const headers = await bearerOf({}, 'ann');
      await using other = await StreamClient.open(`${hub.url}/sse`, { headers: await bearerOf({}, 'eve') });
      await other.event('tidegate.live');
      const act = () =>
        Promise.all([hub.publish('users/shop/eve', guess, boss), hub.publish('users/shop/ann', `${secret}.`, boss)]);
      sizes.push(await compressedBytes(`${hub.url}/sse`, headers, `${secret}.`, act));
      expect(other.raw).not.toContain(`${secret}.`);
    }
    expect(Math.abs((sizes[0] ?? 0) - (sizes[1] ?? 0))).toBeLessThan(200);
  });

  test('confirms a guess by publishing it to the same channel after the secret', async () => {
    await using hub = await HubServer.start();
    const sizes: number[] = [];
    for (const guess of guesses)
      sizes.push(
        await compressedBytes(`${hub.url}/subscribe/a`, {}, `${guess}.`, async () => {
          await using other = await hub.subscribe('a');
          await hub.publish('a', secret);
          await other.until(({ data }) => data.includes(secret));
          await hub.publish('a', `${guess}.`);
        }),
      );
    expect(Math.abs((sizes[0] ?? 0) - (sizes[1] ?? 0))).toBeLessThan(200);
  });
});
