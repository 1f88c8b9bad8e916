import { expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';
import { RawConnection } from '../support/raw-connection.js';

/** Plain, as it is read without Node's parser; and with a header twice, which is Node's to read. */
const WAYS = {
  'a bare socket': (value: string): string => `X-Forwarded-For: ${value}\r\n`,
  "Node's server": (value: string): string => `X-Forwarded-For: 192.0.2.99\r\nX-Forwarded-For: ${value}\r\n`,
} as const;

function subscribe(hub: HubServer, header: string): RawConnection {
  return new RawConnection(hub).send(`GET /subscribe/a HTTP/1.1\r\nHost: hub\r\n${header}\r\n`);
}

test.each(Object.entries(WAYS))(
  'http.trustedProxies: behind one, an address counts for itself, on %s',
  async (_, headerOf) => {
    await using hub = await HubServer.start({ trustedProxies: ['loopback'], limits: { connectionsPerAddress: 1 } });
    await using first = subscribe(hub, headerOf('198.51.100.1'));
    await first.until(/tidegate\.live/);
    await using second = subscribe(hub, headerOf('198.51.100.2'));
    await second.until(/tidegate\.live/);
    // What the client writes itself stands further left.
    await using third = subscribe(hub, headerOf('203.0.113.7, 198.51.100.1'));
    expect(await third.until(/too-many-connections-from-address/)).toMatch(/ 429 /);
  },
);

test.each(Object.entries(WAYS))('without trusted proxies nobody chooses its address, on %s', async (_, headerOf) => {
  await using hub = await HubServer.start({ limits: { connectionsPerAddress: 1 } });
  await using first = subscribe(hub, headerOf('198.51.100.1'));
  await first.until(/tidegate\.live/);
  await using second = subscribe(hub, headerOf('198.51.100.2'));
  expect(await second.until(/too-many-connections-from-address/)).toMatch(/ 429 /);
});

test('a publisher behind a proxy has a rate of its own', async () => {
  const clock = { now: () => 1_000_000, after: () => () => undefined };
  await using hub = await HubServer.start({ trustedProxies: ['loopback'], limits: { publishPerSecond: 1 }, clock });
  const publishFrom = async (address: string): Promise<number> =>
    (await hub.publish('a', 'x', { 'X-Forwarded-For': address })).status;
  expect([await publishFrom('198.51.100.1'), await publishFrom('198.51.100.1')]).toEqual([200, 429]);
  expect(await publishFrom('198.51.100.2')).toBe(200);
});

test('a proxy that is none fails at the start', async () => {
  await expect(HubServer.start({ trustedProxies: ['proxy.internal'] })).rejects.toThrow(
    'Cannot trust proxy "proxy.internal"',
  );
});

test('http.hosts refuses a page whose name was pointed at the hub, on every route', async () => {
  await using hub = await HubServer.start({ hosts: ['events.example'] });
  for (const path of ['/subscribe/a', '/sse', '/channels', '/', '/metrics']) {
    await using connection = new RawConnection(hub);
    connection.send(`GET ${path} HTTP/1.1\r\nHost: evil.example:${hub.port}\r\n\r\n`);
    expect(await connection.until(/host-not-allowed/)).toMatch(/^HTTP\/1\.1 421 /);
  }
  for (const host of ['events.example', `localhost:${hub.port}`, '127.0.0.1']) {
    await using connection = new RawConnection(hub);
    expect(await connection.send(`GET /subscribe/a HTTP/1.1\r\nHost: ${host}\r\n\r\n`).until(/tidegate\.live/)).toMatch(
      /^HTTP\/1\.1 200 /,
    );
  }
});
