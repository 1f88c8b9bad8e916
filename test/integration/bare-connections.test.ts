import { once } from 'node:events';

import { expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';
import { RawConnection } from '../support/raw-connection.js';

const GET = 'GET /subscribe/a HTTP/1.1\r\nHost: x\r\n\r\n';

const PUBLISH = 'POST /publish/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n';

const subscribers = async (hub: HubServer): Promise<unknown> =>
  /^tidegate_subscribers (\d+)$/m.exec(String((await hub.get('/metrics')).body['text']))?.[1];

test('a request is answered alike, however it is cut into packets', async () => {
  await using hub = await HubServer.start();
  const heads: string[] = [];
  for (const cut of [GET.length, GET.length - 1, 20, 4, 1]) {
    await using raw = new RawConnection(hub);
    await once(raw.socket, 'connect');
    for (let at = 0; at < GET.length; at += cut) {
      raw.send(GET.slice(at, at + cut));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const [head = ''] = (await raw.until(/tidegate\.live/)).split('\r\n\r\n');
    const lines = head.split('\r\n').filter((line) => !/^(date|x-connection-id):/i.test(line));
    heads.push([...lines].toSorted().join('\n').toLowerCase());
  }
  expect([...new Set(heads)]).toEqual([heads[0]]);
});

test('refusals and ends are whole answers, after which the connection closes', async () => {
  await using hub = await HubServer.start();
  await hub.publish('ended?end=true', 'last');
  await using refused = new RawConnection(hub).send('GET /subscribe/a?since=x HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(refused.socket, 'end');
  const [head = '', body = ''] = refused.text.split('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(head).toContain(`Content-Length: ${body.length}`);
  expect(JSON.parse(body)).toMatchObject({ code: 'invalid-cursor' });
  await using over = new RawConnection(hub).send('GET /subscribe/ended HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(over.socket, 'end');
  expect(over.text).toMatch(/^HTTP\/1\.1 204 No Content\r\n(?!.*content-length)/is);
});

test('what a subscriber sends after its request is nothing to anybody', async () => {
  await using hub = await HubServer.start();
  await using raw = new RawConnection(hub).send(GET);
  await raw.until(/tidegate\.live/);
  raw.send('POST /publish/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx'.repeat(100));
  raw.send('\0'.repeat(100_000));
  await hub.publish('a', 'still there');
  await raw.until(/data: still there/);
  expect((await hub.get('/channels/a')).body['events']).toBe(1);
});

test('who hangs up, or closes one way, is let go of', async () => {
  await using hub = await HubServer.start();
  await using raw = new RawConnection(hub).send(GET);
  await raw.until(/tidegate\.live/);
  expect(await subscribers(hub)).toBe('1');
  raw.socket.end();
  await expect.poll(() => subscribers(hub)).toBe('0');
  const cut = new RawConnection(hub).send(GET);
  await cut.until(/tidegate\.live/);
  cut.socket.resetAndDestroy();
  await expect.poll(() => subscribers(hub)).toBe('0');
});

test('other requests on one connection are answered in order, after any first bytes', async () => {
  await using hub = await HubServer.start();
  await using raw = new RawConnection(hub);
  const whole = Array.from({ length: 40 }, (_, at) => PUBLISH + `${at}`.padEnd(1000, 'x')).join('');
  // Cut where nothing begins or ends, so that the first packet is half a request.
  for (let at = 0; at < whole.length; at += 777) {
    raw.send(whole.slice(at, at + 777));
    if (at % 7 === 0) await new Promise(setImmediate);
  }
  await expect.poll(() => raw.text.match(/HTTP\/1\.1 200/g)?.length).toBe(40);
  const { body } = await hub.get('/channels/a/history');
  const data = (body['events'] as readonly { data: string }[]).map((event) => Number.parseInt(event.data, 10));
  expect(data).toEqual(Array.from({ length: 40 }, (_, at) => at));
});

test('a subscription behind another request on the same connection works too', async () => {
  await using hub = await HubServer.start();
  await using raw = new RawConnection(hub).send(`GET /health HTTP/1.1\r\nHost: x\r\n\r\n`);
  await raw.until(/"ok"/);
  raw.send(GET);
  await raw.until(/tidegate\.live/);
  expect(await subscribers(hub)).toBe('1');
});

test('close() cuts subscribers and those who never said anything', async () => {
  const hub = await HubServer.start();
  const silent = new RawConnection(hub);
  await once(silent.socket, 'connect');
  const subscriber = new RawConnection(hub).send(GET);
  await subscriber.until(/tidegate\.live/);
  const closed = Promise.all([once(silent.socket, 'close'), once(subscriber.socket, 'close')]);
  await hub[Symbol.asyncDispose]();
  expect(await closed).toHaveLength(2);
});
