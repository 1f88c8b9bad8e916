import { describe, expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const NDJSON_TYPE = { 'Content-Type': 'application/x-ndjson' };
const STREAM_TYPE = { 'Content-Type': 'text/event-stream' };
const MIB = 1024 * 1024;

async function eventsOf(hub: HubServer, channel = 'a'): Promise<readonly Record<string, unknown>[]> {
  const { body } = await hub.get(`/channels/${channel}/history`);
  return (body['events'] ?? []) as readonly Record<string, unknown>[];
}

const dataOf = async (hub: HubServer): Promise<readonly unknown[]> => (await eventsOf(hub)).map(({ data }) => data);

/** CPU milliseconds of this process, hub included, until `task` is done. */
async function cpuOf(task: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await task();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('JSON that is made to be slow', () => {
  const deep = '['.repeat(6 * MIB);
  const bodies: readonly (readonly [
    what: string,
    target: string,
    body: string,
    headers: Record<string, string>,
    code: string,
  ])[] = [
    ['one event', 'a', deep, JSON_TYPE, 'invalid-json'],
    ['the data of one event', 'a', `{"data":${deep}`, JSON_TYPE, 'invalid-json'],
    ['a field that takes no list', 'a', `{"data":1,"id":${deep}`, JSON_TYPE, 'invalid-json'],
    ['an event for several channels', '', `{"channels":${deep}`, JSON_TYPE, 'invalid-json'],
    ['a line of many', 'a', `{"data":1}\n{"data":${deep}`, NDJSON_TYPE, 'invalid-batch'],
    [
      'one event of more than it can need',
      'a',
      `{"data":"${'x'.repeat(6 * MIB + 32 * 1024)}"}`,
      JSON_TYPE,
      'event-too-large',
    ],
  ];
  test.each(bodies)('is refused before it costs anything: %s', async (_what, target, body, headers, code) => {
    await using hub = await HubServer.start();
    await hub.publish('b', 'x'.repeat(6 * MIB));
    let answer: unknown;
    const cpuMs = await cpuOf(async () => (answer = (await hub.publish(target, body, headers)).body));
    const textMs = await cpuOf(() => hub.publish('b', 'x'.repeat(body.length)));
    expect(answer).toMatchObject({ code });
    // JSON.parse took 20 times as long.
    expect(cpuMs).toBeLessThan(5 * textMs + 50);
    expect(await dataOf(hub)).toEqual([]);
  });

  test('as data of 64 levels is published, of 65 refused', async () => {
    await using hub = await HubServer.start();
    expect((await hub.publish('a', `{"data":${nested(64)}}`, JSON_TYPE)).status).toBe(200);
    expect((await hub.publish('a', `{"data":${nested(65)}}`, JSON_TYPE)).body).toMatchObject({ code: 'invalid-json' });
    expect(await dataOf(hub)).toEqual([nested(64)]);
  });

  test('as text, on a channel that keeps the newest of each key, is one of no key', async () => {
    await using hub = await HubServer.start({ channels: [{ match: 'a', slow: 'latest', key: '/id' }] });
    const keyless = `{"id":1,"x":${nested(100)}}`;
    for (const body of ['{"id":1}', keyless, keyless]) expect((await hub.publish('a', body)).status).toBe(200);
    expect(await dataOf(hub)).toEqual(['{"id":1}', keyless]);
  });

  test('for the revocation of tokens, is refused', async () => {
    await using hub = await HubServer.start();
    const post = async (body: string): Promise<unknown> =>
      (await fetch(`${hub.url}/tokens/revoke`, { method: 'POST', body, headers: JSON_TYPE })).json();
    expect(await post('['.repeat(16 * 1024))).toMatchObject({ code: 'invalid-json' });
    expect(await post('['.repeat(16 * 1024 + 1))).toMatchObject({ code: 'body-too-large' });
    expect(await post('{"application":"\\ud800"}')).toMatchObject({ code: 'invalid-query' });
  });
});

describe('line breaks', () => {
  test('count what they take on the wire: a MiB of them is no event of a MiB', async () => {
    await using hub = await HubServer.start();
    const fits = '\n'.repeat(Math.floor(MIB / 7));
    expect((await hub.publish('a', fits)).status).toBe(200);
    for (const data of ['\n', '\r'].map((character) => character.repeat(MIB / 4)))
      expect((await hub.publish('a', data)).body).toMatchObject({ code: 'event-too-large' });
    expect((await hub.publishJson('a', { data: '\n'.repeat(MIB / 4) })).body).toMatchObject({
      code: 'event-too-large',
    });
    const summary = (await hub.get('/channels/a')).body;
    expect(summary['bytes']).toBeLessThan(MIB + 100);
  });

  test('CRLF counts as the one that it is, and a MiB of text fits', async () => {
    await using hub = await HubServer.start({ limits: { eventBytes: 900 } });
    expect((await hub.publish('a', 'x\r\n'.repeat(100))).status).toBe(200);
    expect((await hub.publish('a', 'x\r\n'.repeat(101))).body).toMatchObject({ code: 'event-too-large' });
    expect((await hub.publish('a', '\t'.repeat(900))).status).toBe(200);
    expect((await hub.publish('a', '\t'.repeat(901))).body).toMatchObject({ code: 'event-too-large' });
  });

  test('cost no more than a few times as much as text', async () => {
    await using hub = await HubServer.start();
    const bodies = ['x', 'x', '\n'].map((character) => character.repeat(Math.floor(MIB / 7)));
    const times: number[] = [];
    for (const body of bodies) {
      const publishMany = async (): Promise<void> => {
        for (let round = 0; round < 20; round += 1) await hub.publish('a', body);
      };
      times.push(await cpuOf(publishMany));
    }
    const [, text = 1, breaks = 0] = times;
    expect(breaks / text).toBeLessThan(6);
  });

  test('in a batch are passed over as quickly as text is read', async () => {
    await using hub = await HubServer.start();
    const body = `${'\n'.repeat(4 * MIB)}{"data":1}\n`;
    expect((await hub.publish('a', body, NDJSON_TYPE)).body).toMatchObject({ published: 1 });
    expect((await hub.publish('a', `${'\n'.repeat(1000)}{`, NDJSON_TYPE)).body).toMatchObject({ line: 1001 });
  });
});

describe('retry from a publisher', () => {
  test('0 and null ask for none', async () => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a');
    for (const retry of ['0', 'null', '-0']) await hub.publish('a', `{"data":1,"retry":${retry}}`, JSON_TYPE);
    await hub.publish('a', '{"data":1,"retry":0}\n{"data":1,"retry":null}', NDJSON_TYPE);
    await hub.publish('', '{"channels":["a"],"data":1,"retry":0}', JSON_TYPE);
    await hub.hub.publish('a', { data: 'last', retry: 0 });
    await client.until(({ data }) => data.includes('last'));
    expect(client.data).toHaveLength(7);
    // That of the hub itself.
    expect(client.retries).toEqual([2000]);
  });

  test('is 100 ms to an hour', async () => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a');
    for (const retry of [100, 3_600_000]) expect((await hub.publishJson('a', { data: 1, retry })).status).toBe(200);
    for (const retry of [1, 99, 3_600_001, 1e20, 100.5, -1, '100', true, [], {}])
      expect((await hub.publishJson('a', { data: 1, retry })).body).toMatchObject({ code: 'invalid-retry' });
    const inBatch = await hub.publish('a', '{"data":1,"retry":5}', NDJSON_TYPE);
    expect(inBatch.body).toMatchObject({ code: 'invalid-batch', line: 1 });
    await expect(hub.hub.publish('a', { data: 'x', retry: 5 })).rejects.toMatchObject({ code: 'invalid-retry' });
    await client.until(({ data }) => data.length === 2);
    expect(client.retries).toEqual(expect.arrayContaining([100, 3_600_000]));
  });

  test('in an event stream is that of another connection, whatever it says', async () => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a');
    const body = 'retry: 1\ndata: a\n\nretry: 99999999\ndata: b\n\nretry: 5000\n\nretry: x\ndata: c\n\n';
    expect((await hub.publish('a', body, STREAM_TYPE)).body).toMatchObject({ published: 3 });
    await client.until(({ data }) => data.length === 3);
    // That of the hub itself.
    expect(client.retries).toEqual([2000]);
  });
});

describe('half of a character is refused', () => {
  const half = '\\ud83d';
  const cases: readonly (readonly [what: string, body: string, code: string])[] = [
    ['as id', `{"data":1,"id":"${half}"}`, 'invalid-id'],
    ['as event type', `{"data":1,"event":"${half}"}`, 'invalid-event-type'],
    ['as idempotency key', `{"data":1,"idempotencyKey":"${half}"}`, 'invalid-idempotency-key'],
    ['as data', `{"data":"${half}"}`, 'invalid-encoding'],
    ['inside data', `{"data":{"a":["x${half}x"]}}`, 'invalid-encoding'],
    ['as a name inside data', `{"data":{"\\udE00":1}}`, 'invalid-encoding'],
    ['the halves in the wrong order', `{"data":["\\ude00\\ud83d"]}`, 'invalid-encoding'],
    ['as field', `{"data":1,"${half}":1}`, 'unknown-field'],
  ];
  test.each(cases)('in JSON: %s', async (_what, body, code) => {
    await using hub = await HubServer.start();
    expect((await hub.publish('a', body, JSON_TYPE)).body).toMatchObject({ code });
    expect((await hub.publish('a', body, NDJSON_TYPE)).body).toMatchObject({ code: 'invalid-batch', line: 1 });
    expect(await dataOf(hub)).toEqual([]);
  });

  test('in the name of one channel of several', async () => {
    await using hub = await HubServer.start();
    const { body } = await hub.publish('', `{"channels":["${half}"],"data":1}`, JSON_TYPE);
    expect(body).toMatchObject({ code: 'invalid-channel' });
  });

  test('in what the query or a header says, where it is no UTF-8', async () => {
    await using hub = await HubServer.start();
    expect((await hub.publish('a?id=%ED%A0%80', 'x')).body).toMatchObject({ code: 'invalid-id' });
    expect((await hub.publish('a?event=%FF', 'x')).body).toMatchObject({ code: 'invalid-event-type' });
    const headers = { 'Content-Type': 'text/plain', 'Idempotency-Key': '\u00ed\u00a0\u0080' };
    expect((await hub.publish('a', 'x', headers)).body).toMatchObject({ code: 'invalid-idempotency-key' });
    expect((await hub.get('/subscribe?channel=%ED%A0%80')).body).toMatchObject({ code: 'invalid-channel' });
    expect((await hub.publish('%ED%A0%80', 'x')).body).toMatchObject({ code: 'invalid-channel' });
  });

  test('in code', async () => {
    await using hub = await HubServer.start();
    const lone = '\ud83d';
    const events = [
      [{ data: lone }, 'invalid-encoding'],
      [{ data: 'x', id: lone }, 'invalid-id'],
      [{ data: 'x', event: lone }, 'invalid-event-type'],
      [{ data: 'x', idempotencyKey: lone }, 'invalid-idempotency-key'],
    ] as const;
    for (const [event, code] of events) await expect(hub.hub.publish('a', event)).rejects.toMatchObject({ code });
    await expect(hub.hub.publish(lone, { data: 'x' })).rejects.toMatchObject({ code: 'invalid-channel' });
  });

  test('and a whole one goes out as it was written', async () => {
    await using hub = await HubServer.start();
    await hub.publish('a', '{"data":"\\ud83d\\ude00","id":"\\ud83d\\ude00"}', JSON_TYPE);
    await hub.publish('a', '{"data":["\\ud83d\\ude00","\\\\ud83d"]}', JSON_TYPE);
    await hub.publish('a?raw=true', '{"half":"\\ud83d"}', JSON_TYPE);
    expect(await dataOf(hub)).toEqual(['😀', '["\\ud83d\\ude00","\\\\ud83d"]', '{"half":"\\ud83d"}']);
  });
});

describe('a byte order mark', () => {
  const MARK = '\ufeff';

  test('is a part of text that is published as it is', async () => {
    await using hub = await HubServer.start();
    await hub.publish('a', `${MARK}x`);
    await hub.publish('a?raw=true', `${MARK}{}`, JSON_TYPE);
    await hub.publish('a', JSON.stringify({ data: `${MARK}y` }), JSON_TYPE);
    expect(await dataOf(hub)).toEqual([`${MARK}x`, `${MARK}{}`, `${MARK}y`]);
  });

  test('is refused before JSON, and in a line of its own', async () => {
    await using hub = await HubServer.start();
    const { body } = await hub.publish('a', `${MARK}{"data":1}`, JSON_TYPE);
    expect(body).toMatchObject({ code: 'invalid-json', detail: expect.stringContaining('byte order mark') as string });
    for (const text of [`${MARK}{"data":1}`, `${MARK}\n{"data":1}`, `{"data":1}\n${MARK}{"data":1}`])
      expect((await hub.publish('a', text, NDJSON_TYPE)).body).toMatchObject({ code: 'invalid-batch' });
    expect(await dataOf(hub)).toEqual([]);
  });

  test('is dropped before an event stream, as the HTML standard has it, and kept inside', async () => {
    await using hub = await HubServer.start();
    await hub.publish('a', `${MARK}data: x\n\ndata: ${MARK}y\n\n`, STREAM_TYPE);
    expect(await dataOf(hub)).toEqual(['x', `${MARK}y`]);
  });
});

test.each([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
  'Application/JSONL; charset=utf-8',
])('%s is one event a line', async (type) => {
  await using hub = await HubServer.start();
  const { body } = await hub.publish('a', '{"data":1}\n{"data":2}\n', { 'Content-Type': type });
  expect(body).toMatchObject({ published: 2 });
  expect(await dataOf(hub)).toEqual(['1', '2']);
});

describe('a query parameter that is nearly one of ours', () => {
  test.each([
    ['/subscribe/a?lasteventid=5', 'lastEventId'],
    ['/subscribe/a?last_event_id=5', 'lastEventId'],
    ['/subscribe?topic=a', 'channel'],
    ['/subscribe?channel=a&sinec=5m', 'since'],
  ])('is refused on GET %s, with the right name', async (path, name) => {
    await using hub = await HubServer.start();
    const { status, body } = await hub.get(path);
    expect([status, body['code']]).toEqual([400, 'invalid-query']);
    expect(body['detail']).toContain(`did you mean "${name}"?`);
  });

  test.each([
    ['a?evnt=x', 'event'],
    ['a?type=x', 'event'],
    ['users/app/ada?eventId=x', 'id'],
    ['?authorization=x', 'Authorization'],
  ])('is refused on POST /publish/%s, and nothing is published', async (target, name) => {
    await using hub = await HubServer.start();
    const body = JSON.stringify({ data: 1, ...(target.startsWith('?') ? { channels: ['a'] } : {}) });
    const answer = await fetch(`${hub.url}/publish${target.startsWith('?') ? '' : '/'}${target}`, {
      method: 'POST',
      body,
      headers: JSON_TYPE,
    });
    const problem = (await answer.json()) as Record<string, unknown>;
    expect([problem['code'], problem['detail']]).toEqual(['invalid-query', expect.stringContaining(`"${name}"`)]);
    expect(await dataOf(hub)).toEqual([]);
  });

  test('is passed over where it is for somebody else, and always on /sse', async () => {
    await using hub = await HubServer.start();
    expect((await hub.publish('a?datastar=%7B%7D&_=1&v=2&lang=en&user=u&key=k&page=3', 'x')).status).toBe(200);
    await using client = await hub.subscribe('a?datastar=%7B%7D&_=1&v=2&lang=en&user=u&key=k&page=3&last=all');
    await client.until(({ data }) => data.includes('x'));
    const own = await fetch(`${hub.url}/sse?topic=a&last_event_id=5`);
    expect(own.status).toBe(200);
    await own.body?.cancel();
  });
});

describe('since', () => {
  test.each([
    '2026-02-30',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00:00%2B25:00',
  ])('%s is a time that does not exist', async (since) => {
    await using hub = await HubServer.start();
    await hub.publish('a', 'x');
    expect((await hub.get(`/subscribe/a?since=${since}`)).body).toMatchObject({ code: 'invalid-cursor' });
    expect((await hub.get(`/channels/a/history?since=${since}`)).body).toMatchObject({ code: 'invalid-cursor' });
  });
});

test('events of type error and open are delivered', async () => {
  await using hub = await HubServer.start();
  await using client = await hub.subscribe('a');
  for (const event of ['error', 'open', 'message']) await hub.publishJson('a', { event, data: event });
  await client.until(({ data }) => data.length === 3);
  expect(client.events.slice(-3).map(({ type, data }) => [type, data])).toEqual([
    ['error', 'error'],
    ['open', 'open'],
    ['message', 'message'],
  ]);
});
