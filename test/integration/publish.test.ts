import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';

import { describe, expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const NDJSON_TYPE = { 'Content-Type': 'application/x-ndjson' };
const STREAM_TYPE = { 'Content-Type': 'text/event-stream' };

async function history(hub: HubServer, channel = 'a'): Promise<readonly Record<string, unknown>[]> {
  const { body } = await hub.get(`/channels/${channel}/history`);
  return (body['events'] ?? []) as readonly Record<string, unknown>[];
}

const dataOf = async (hub: HubServer, channel = 'a'): Promise<readonly unknown[]> =>
  (await history(hub, channel)).map(({ data }) => data);

describe('POST /publish/{channel} takes', () => {
  test('any type of body as data, with id and type beside it', async () => {
    await using hub = await HubServer.start();
    await hub.publish('a?event=greeting&id=own', 'hello\nworld', {
      'Content-Type': 'application/x-www-form-urlencoded',
    });
    expect(await history(hub)).toMatchObject([{ id: 'own', event: 'greeting', data: 'hello\nworld' }]);
  });

  test('JSON: a string goes out as it is, anything else as JSON text, large numbers unharmed', async () => {
    await using hub = await HubServer.start();
    const bodies = [
      '{"data":"text"}',
      '{"data":{"n":12345678901234567890,"a":[1,\n 2]}}',
      '{"data":null}',
      '{"data":1.0}',
      '{"data":""}',
    ];
    for (const body of bodies) expect((await hub.publish('a', body, JSON_TYPE)).status).toBe(200);
    expect(await dataOf(hub)).toEqual(['text', '{"n":12345678901234567890,"a":[1,2]}', 'null', '1.0', '']);
  });

  test('JSON as the data itself where the query says raw', async () => {
    await using hub = await HubServer.start();
    await hub.publish('a?raw=true&event=hook', '{"action":"opened"}', JSON_TYPE);
    expect(await history(hub)).toMatchObject([{ event: 'hook', data: '{"action":"opened"}' }]);
  });

  test('NDJSON: many at once, answered with the last id', async () => {
    await using hub = await HubServer.start();
    const { body } = await hub.publish('a', '{"data":1}\n\n{"data":{"x":2},"event":"e"}\r\n{"data":"3"}', NDJSON_TYPE);
    expect(body).toMatchObject({
      channel: 'a',
      published: 3,
      duplicates: 0,
      id: expect.stringMatching(/-3$/) as string,
    });
    expect(await dataOf(hub)).toEqual(['1', '{"x":2}', '3']);
  });

  test('a stream, published as it arrives, before the body ends', async () => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a');
    const upload = request(`${hub.url}/publish/a`, { method: 'POST', headers: STREAM_TYPE });
    upload.write('event: token\ndata: one\n\nda');
    await client.until(({ data }) => data.length === 1);
    upload.write('ta: two\n\n: comment\n\nid: own\ndata: three\n\ndata: never ended');
    await client.until(({ data }) => data.length === 3);
    upload.end();
    const [response] = await once(upload, 'response');
    expect(JSON.parse(Buffer.concat(await response.toArray()).toString())).toMatchObject({ published: 3, id: 'own' });
    expect(client.data).toEqual(['one', 'two', 'three']);
  });

  test('channel names percent-encoded, decoded once', async () => {
    await using hub = await HubServer.start();
    expect((await hub.publish('app%3Achannel%3Au', 'x')).body).toMatchObject({ channel: 'app:channel:u' });
    expect((await hub.publish('stra%C3%9Fe', 'x')).body).toMatchObject({ channel: 'straße' });
    expect((await hub.publish('%252e', 'x')).body).toMatchObject({ code: 'invalid-channel' });
  });
});

describe('an idempotency key', () => {
  test('publishes once, by header or field, and answers with the first id', async () => {
    await using hub = await HubServer.start();
    const first = await hub.publish('a', 'x', { 'Content-Type': 'text/plain', 'Idempotency-Key': 'k1' });
    const second = await hub.publishJson('a', { data: 'x', idempotencyKey: 'k1' });
    expect(first.body).toMatchObject({ published: 1, duplicates: 0 });
    expect(second.body).toMatchObject({ id: first.body['id'], published: 0, duplicates: 1 });
    const batch = await hub.publish(
      'a',
      '{"data":1,"idempotencyKey":"k2"}\n{"data":1,"idempotencyKey":"k2"}',
      NDJSON_TYPE,
    );
    expect(batch.body).toMatchObject({ published: 1, duplicates: 1 });
    expect(await dataOf(hub)).toEqual(['x', '1']);
    // Keys belong to a channel.
    expect((await hub.publishJson('b', { data: 'x', idempotencyKey: 'k1' })).body).toMatchObject({ published: 1 });
  });

  test('before another event is refused, and in a batch the line is named and nothing is published', async () => {
    await using hub = await HubServer.start();
    const json = { event: 't', id: 'own', data: 'x', retry: 500, idempotencyKey: 'k' };
    await hub.publishJson('a', json);
    for (const other of [{ data: 'y' }, { event: 'u' }, { id: 'other' }, { retry: 501 }]) {
      const refused = await hub.publishJson('a', { ...json, ...other });
      expect(refused).toMatchObject({ status: 422, body: { code: 'idempotency-mismatch' } });
    }
    const header = { 'Content-Type': 'text/plain', 'Idempotency-Key': 'k' };
    expect((await hub.publish('a', 'x', header)).status).toBe(422);
    expect((await hub.publish('a?event=t&id=own', 'x', header)).status).toBe(422);
    const lines = [
      '{"data":1,"idempotencyKey":"l"}',
      '',
      '  ',
      '{"data":2,"idempotencyKey":"m"}',
      JSON.stringify(json),
    ];
    const batch = (last: string) => hub.publish('a', [...lines, last].join('\n'), NDJSON_TYPE);
    expect(await batch('{"data":2,"idempotencyKey":"l"}')).toMatchObject({
      status: 422,
      body: { code: 'idempotency-mismatch', line: 6, detail: expect.stringContaining('line 6') as string },
    });
    expect(await dataOf(hub)).toEqual(['x']);
    expect((await batch('{"data":3}')).body).toMatchObject({ published: 3, duplicates: 1 });
  });

  test('in the header of a batch is refused, and the refusal names what to use', async () => {
    await using hub = await HubServer.start();
    for (const type of ['application/x-ndjson', 'text/event-stream']) {
      const refused = await hub.publish('a', '{"data":1}\n', { 'Content-Type': type, 'Idempotency-Key': 'k' });
      expect(refused).toMatchObject({ status: 400, body: { code: 'invalid-idempotency-key' } });
      expect(refused.body['detail']).toContain('"idempotencyKey"');
    }
    expect((await hub.get('/channels/a/history')).status).toBe(404);
  });

  test('is of the event as it was published, also where each event gets the name of its server', async () => {
    await using hub = await HubServer.start({ serverProperty: 'server' });
    const json = { data: { n: 1 }, idempotencyKey: 'k' };
    await hub.publishJson('a', json);
    expect((await hub.publishJson('a', json)).body).toMatchObject({ duplicates: 1 });
    expect((await hub.publishJson('a', { ...json, data: { n: 2 } })).status).toBe(422);
  });

  test('is forgotten with the event it belongs to', async () => {
    await using hub = await HubServer.start({ history: { events: 2 } });
    for (const key of ['1', '2', '3', '1']) await hub.publishJson('a', { data: key, idempotencyKey: key });
    expect(await dataOf(hub)).toEqual(['3', '1']);
  });
});

describe('refused, with nothing published:', () => {
  const refusals: readonly (readonly [
    what: string,
    target: string,
    body: string,
    headers: Record<string, string>,
    status: number,
    code: string,
  ])[] = [
    ['JSON that is none', 'a', '{"data":', JSON_TYPE, 400, 'invalid-json'],
    ['JSON that is no object', 'a', '[1]', JSON_TYPE, 400, 'invalid-json'],
    ['no data', 'a', '{"event":"x"}', JSON_TYPE, 400, 'missing-data'],
    ['a field that is not known', 'a', '{"data":1,"type":"x"}', JSON_TYPE, 400, 'unknown-field'],
    [
      'a line break in an id, which would forge fields',
      'a',
      '{"data":1,"id":"1\\ndata: forged"}',
      JSON_TYPE,
      400,
      'invalid-id',
    ],
    ['a NUL in an id', 'a?id=%00', 'x', {}, 400, 'invalid-id'],
    ['an id that looks like a cursor, which would move clients', 'a?id=~aaaaaaaaaa-5', 'x', {}, 400, 'invalid-id'],
    ['an empty id, which would reset clients', 'a', '{"data":1,"id":""}', JSON_TYPE, 400, 'invalid-id'],
    ['an id too long for a header', `a?id=${'x'.repeat(513)}`, 'x', {}, 400, 'invalid-id'],
    ['an id that is an object', 'a', '{"data":1,"id":{}}', JSON_TYPE, 400, 'invalid-id'],
    ['a type that is ours', 'a?event=tidegate.end', 'x', {}, 400, 'invalid-event-type'],
    ['a line break in a type', 'a?event=a%0Db', 'x', {}, 400, 'invalid-event-type'],
    ['retry that is no number', 'a', '{"data":1,"retry":"5"}', JSON_TYPE, 400, 'invalid-retry'],
    ['retry below zero', 'a', '{"data":1,"retry":-5}', JSON_TYPE, 400, 'invalid-retry'],
    ['an empty idempotency key', 'a', '{"data":1,"idempotencyKey":""}', JSON_TYPE, 400, 'invalid-idempotency-key'],
    ['a field in the query that the body has', 'a?event=x', '{"data":1}', JSON_TYPE, 400, 'invalid-query'],
    ['a flag that is neither', 'a?end=maybe', 'x', {}, 400, 'invalid-query'],
    ['a channel name with a slash', 'a%2Fb', 'x', {}, 400, 'invalid-target'],
    ['a channel name that the client has resolved', '%2e%2e', 'x', {}, 405, 'method-not-allowed'],
    ['broken percent-encoding', '%zz', 'x', {}, 400, 'invalid-target'],
    ['no channel', '', '{"data":1}', JSON_TYPE, 400, 'missing-channel'],
    ['several channels as text', '', 'x', {}, 415, 'unsupported-media-type'],
    ['one channel twice', '', '{"channels":["a","a"],"data":1}', JSON_TYPE, 400, 'duplicate-channel'],
    ['one bad channel of several', '', '{"channels":["a","b/c"],"data":1}', JSON_TYPE, 400, 'invalid-channel'],
    [
      'too many channels',
      '',
      JSON.stringify({ channels: Array.from({ length: 101 }, (_, at) => `c${at}`), data: 1 }),
      JSON_TYPE,
      400,
      'too-many-channels-asked',
    ],
    ['multipart', 'a', 'x', { 'Content-Type': 'multipart/form-data; boundary=x' }, 415, 'unsupported-media-type'],
    ['a content type that is none', 'a', 'x', { 'Content-Type': 'what' }, 415, 'unsupported-media-type'],
    [
      'another character set',
      'a',
      'x',
      { 'Content-Type': 'text/plain; charset=utf-16' },
      415,
      'unsupported-media-type',
    ],
    ['a compressed body', 'a', 'x', { 'Content-Encoding': 'gzip' }, 415, 'unsupported-media-type'],
    ['a bad line in a batch', 'a', '{"data":1}\n{"data":2,"id":"~aaaaaaaaaa-1"}\n{', NDJSON_TYPE, 400, 'invalid-batch'],
  ];

  test.each(refusals)('%s', async (_what, target, body, headers, status, code) => {
    await using hub = await HubServer.start();
    const answer = await hub.publish(target, body, headers);
    expect(answer.body).toMatchObject({
      code,
      status,
      title: expect.any(String) as string,
      detail: expect.any(String) as string,
    });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect((await hub.get('/metrics')).body['text']).toContain('tidegate_events_published_total 0');
    expect((await hub.get('/metrics')).body['text']).toContain(`tidegate_refusals_total{code="${code}"} 1`);
  });

  test('a batch names the line at fault', async () => {
    await using hub = await HubServer.start();
    expect((await hub.publish('a', '{"data":1}\n\n{"data":2,"x":3}', NDJSON_TYPE)).body).toMatchObject({ line: 3 });
  });

  test('bytes that are not UTF-8', async () => {
    await using hub = await HubServer.start();
    const response = await fetch(`${hub.url}/publish/a`, { method: 'POST', body: Uint8Array.of(0xff, 0xfe) });
    expect(await response.json()).toMatchObject({ code: 'invalid-encoding' });
  });

  test('an event, a body, an upload without a length over the limit', async () => {
    await using hub = await HubServer.start({ limits: { eventBytes: 100, bodyBytes: 1000 } });
    expect((await hub.publish('a', 'x'.repeat(101))).body).toMatchObject({ code: 'event-too-large', status: 413 });
    expect((await hub.publish('a', 'x'.repeat(100))).status).toBe(200);
    expect((await hub.publish('a', 'x'.repeat(1001))).body).toMatchObject({ code: 'body-too-large', status: 413 });
    const upload = request(`${hub.url}/publish/a`, { method: 'POST' });
    for (let part = 0; part < 20; part += 1) upload.write('x'.repeat(100));
    const [response] = await once(upload, 'response');
    expect(response.statusCode).toBe(413);
    upload.on('error', () => undefined).destroy();
  });

  test('in a stream: what came before stands, and the answer says how much', async () => {
    await using hub = await HubServer.start({ limits: { eventBytes: 100 } });
    const forged = await hub.publish(
      'a',
      'data: 1\n\ndata: 2\n\nevent: tidegate.end\ndata: {}\n\ndata: 3\n\n',
      STREAM_TYPE,
    );
    expect(forged.body).toMatchObject({ code: 'invalid-event-type', published: 2 });
    const large = await hub.publish('a', `data: 3\n\ndata: ${'x'.repeat(200)}\n\n`, STREAM_TYPE);
    expect(large.body).toMatchObject({ code: 'event-too-large', published: 1 });
    expect(await dataOf(hub)).toEqual(['1', '2', '3']);
  });

  test('a client that leaves inside a body, with the hub none the worse', async () => {
    await using hub = await HubServer.start();
    const socket = connect(hub.port, '127.0.0.1');
    socket.write('POST /publish/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
    await once(socket, 'connect');
    socket.destroy();
    expect((await hub.publish('a', 'x')).status).toBe(200);
    expect(await dataOf(hub)).toEqual(['x']);
  });

  test('more channels than the hub may hold', async () => {
    await using hub = await HubServer.start({ limits: { channels: 2 } });
    for (const channel of ['a', 'b']) expect((await hub.publish(channel, 'x')).status).toBe(200);
    const { body, headers } = await hub.publish('c', 'x');
    expect(body).toMatchObject({ code: 'too-many-channels', status: 503 });
    expect(headers.get('retry-after')).toBe('2');
  });
});

const refusedWith = (code: string): object => expect.objectContaining({ code }) as object;

test('hub.publish() and hub.end() refuse what a request would be refused for', async () => {
  await using hub = await HubServer.start({ limits: { eventBytes: 10 } });
  await expect(hub.hub.publish('a b', { data: 'x' })).rejects.toEqual(refusedWith('invalid-channel'));
  await expect(hub.hub.end('')).rejects.toEqual(refusedWith('invalid-channel'));
  await expect(hub.hub.publish('a', { data: 'x', id: 'a\nb' })).rejects.toEqual(refusedWith('invalid-id'));
  await expect(hub.hub.publish('a', { data: 'x'.repeat(11) })).rejects.toEqual(refusedWith('event-too-large'));
});
