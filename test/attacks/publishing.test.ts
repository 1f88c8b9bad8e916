import { gzipSync } from 'node:zlib';

import { describe, expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';
import { RawConnection } from '../support/raw-connection.js';
import { askRaw } from '../support/raw-request.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const NDJSON_TYPE = { 'Content-Type': 'application/x-ndjson' };
const STREAM_TYPE = { 'Content-Type': 'text/event-stream' };

/** A target, a body and its headers that say a field of an event. */
type Way = (field: string, value: string) => readonly [string, string, Readonly<Record<string, string>>];

const WAYS: readonly (readonly [string, Way])[] = [
  ['JSON', (field, value) => ['a', JSON.stringify({ [field]: value, data: '' }), JSON_TYPE]],
  ['a line of NDJSON', (field, value) => ['a', JSON.stringify({ [field]: value, data: '' }), NDJSON_TYPE]],
  ['the query', (field, value) => [`a?${field}=${encodeURIComponent(value)}`, 'x', { 'Content-Type': 'text/plain' }]],
];

const BREAKS = [
  ['LF', '\n'],
  ['CR', '\r'],
  ['CRLF', '\r\n'],
  ['NUL', '\0'],
] as const;

async function expectNothingPublished(hub: HubServer): Promise<void> {
  expect(await hub.metrics()).toContain('tidegate_events_published_total 0\n');
}

describe('a publisher forges a field', () => {
  test.each(WAYS.flatMap(([way, ask]) => BREAKS.map(([name, text]) => [name, way, text, ask] as const)))(
    'by %s in an id or an event type, in %s',
    async (_name, _way, text, ask) => {
      await using hub = await HubServer.start();
      for (const [field, code] of [
        ['id', 'invalid-id'],
        ['event', 'invalid-event-type'],
      ] as const)
        for (const value of [`a${text}data: forged`, `${text}a`, `a${text}`]) {
          const { status, body } = await hub.publish(...ask(field, value));
          expect([status, [code, 'invalid-batch'].includes(String(body['code']))]).toEqual([400, true]);
        }
      await expectNothingPublished(hub);
    },
  );

  test.each([
    [
      'line breaks of every kind',
      'x\n\nevent: tidegate.end\ndata: {}\n\nid: 9\r\rretry: 1\r\n\r\ndata: y',
      'x\n\nevent: tidegate.end\ndata: {}\n\nid: 9\n\nretry: 1\n\ndata: y',
    ],
    [
      'line separators that are none in a stream',
      'x\u2028event: a\u2029id: 1\u0085retry: 1\u000bdata: y\u000c',
      undefined,
    ],
    ['NUL and a byte order mark', '\ufeff\0id: 1', undefined],
    ['a comment', ':\n: x\n:', undefined],
  ])('by %s in its data', async (_name, data, read = data) => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a');
    await using wrapped = await hub.subscribe('a?envelope=json');
    await Promise.all([client.event('tidegate.live'), wrapped.event('tidegate.live')]);
    await hub.publishJson('a', { data });
    await hub.publish('a', 'last');
    await client.until((one) => one.data.includes('last'));
    await wrapped.until((one) => one.data.some((text) => text.includes('"last"')));
    expect(client.data).toEqual([read, 'last']);
    expect(JSON.parse(wrapped.data[0] ?? '')).toMatchObject({ channel: 'a', data: read });
    expect(client.types.filter((type) => type !== 'message')).toEqual(['tidegate.open', 'tidegate.live']);
    expect([client.retries.length, client.lastEventId.startsWith('~')]).toEqual([1, true]);
  });
});

describe('a publisher', () => {
  test.each(['tidegate.gap', 'tidegate.end', 'tidegate.cursor', 'tidegate.', 'tidegate.unheard-of'])(
    'forges the control event %j',
    async (type) => {
      await using hub = await HubServer.start();
      for (const [, ask] of WAYS) expect((await hub.publish(...ask('event', type))).status).toBe(400);
      const streamed = await hub.publish('a', `event: ${type}\ndata: {}\n\n`, STREAM_TYPE);
      expect(streamed.body).toMatchObject({ code: 'invalid-event-type', published: 0 });
      await expectNothingPublished(hub);
    },
  );

  test('moves the cursors of subscribers by an id that looks like one', async () => {
    await using hub = await HubServer.start();
    for (const id of ['~aaaaaaaa-9007199254740991', '~aaaaaaaa-', '~0123456789abcdef-x'])
      for (const [, ask] of WAYS) expect((await hub.publish(...ask('id', id))).status).toBe(400);
    await expectNothingPublished(hub);
  });

  test.each([0.5, -1, 99, 3_600_001, 1e300, '1000', true, [1000]])(
    'sends all subscribers of a channel away, or on at once, by the retry %j',
    async (retry) => {
      await using hub = await HubServer.start();
      expect((await hub.publishJson('a', { data: '', retry })).body).toMatchObject({ code: 'invalid-retry' });
    },
  );

  test('is taken for another node by a property of its data', async () => {
    await using hub = await HubServer.start({ serverProperty: 'server', nodeId: 'node-1' });
    await using client = await hub.subscribe('a');
    await client.event('tidegate.live');
    for (const data of ['{"server":"forged"}', '{"\\u0073erver":"forged"}', '{"server":"forged","server":"too"}'])
      await hub.publish('a', data);
    await client.until((one) => one.data.length === 3);
    for (const data of client.data) expect(JSON.parse(data)).toEqual({ server: 'node-1' });
  });

  test('hides an event under an idempotency key that another channel or another event has', async () => {
    await using hub = await HubServer.start();
    const publish = (target: string, data: string) => hub.publishJson(target, { data, idempotencyKey: 'k' });
    expect((await publish('a', 'forged')).body).toMatchObject({ published: 1 });
    expect((await publish('b', 'true')).body).toMatchObject({ published: 1, duplicates: 0 });
    expect((await publish('a', 'true')).body).toMatchObject({ code: 'idempotency-mismatch' });
    for (const type of [NDJSON_TYPE, STREAM_TYPE])
      expect((await hub.publish('a', '', { ...type, 'Idempotency-Key': 'k' })).status).toBe(400);
  });

  test('gets half of a batch out by a fault in its last line', async () => {
    await using hub = await HubServer.start();
    const lines = ['{"data":"1"}', '{"data":"2"}'];
    for (const last of [
      '{"data":"3"',
      '{"data":"3","event":"tidegate.end"}',
      '{"data":"3"}\r{"data":"4"}',
      '[]',
      '{"data":"3"}{"data":"4"}',
      '{"data":"3"}\u2028{"data":"4"}',
    ])
      expect((await hub.publish('a', [...lines, last].join('\n'), NDJSON_TYPE)).body).toMatchObject({ line: 3 });
    await expectNothingPublished(hub);
  });
});

describe('a publisher reaches what it cannot name', () => {
  test.each([
    '/users/shop/ann',
    'users/shop/ann',
    '%2Fusers%2Fshop%2Fann',
    '..',
    '*',
    'a b',
    'a\u0000',
    '',
    'a／b',
    'e\u0301',
    'a\u200db',
    'ä'.repeat(101),
  ])('by the channel name %j', async (channel) => {
    await using hub = await HubServer.start();
    const listed = await hub.publish('', JSON.stringify({ channels: ['a', channel], data: '' }), JSON_TYPE);
    expect(listed.body).toMatchObject({ code: 'invalid-channel' });
    const target = `/subscribe?channel=${encodeURIComponent(channel)}`;
    expect((await askRaw(hub.port, { method: 'GET', target })).code).toBe('invalid-channel');
    await expectNothingPublished(hub);
  });
});

describe('a body', () => {
  test.each([
    ['that is a bomb of gzip', 'gzip', gzipSync(Buffer.alloc(64 * 1024 * 1024))],
    ['in brotli', 'br', Buffer.from('x')],
    ['encoded twice', 'gzip, gzip', Buffer.from('x')],
    ['that is said to be gzip and identity', 'identity, gzip', Buffer.from('x')],
  ] as const)('%s is unpacked by the hub', async (_name, encoding, bytes) => {
    await using hub = await HubServer.start();
    for (const type of ['text/plain', 'application/json', 'text/event-stream', 'application/x-ndjson']) {
      const headers = { 'Content-Type': type, 'Content-Encoding': encoding };
      const answer = await fetch(`${hub.url}/publish/a`, { method: 'POST', body: new Uint8Array(bytes), headers });
      expect([answer.status, await answer.json()]).toMatchObject([415, { code: 'unsupported-media-type' }]);
    }
    await expectNothingPublished(hub);
  });

  test.each([
    'text/plain; charset=utf-7',
    'application/json; charset=utf-16le',
    'text/plain;x=y;charset="iso-2022-jp"',
    'multipart/form-data; boundary=x',
    'application/json, text/plain',
    'json',
  ])('is read in a character set or form that another program does not see, by the type %j', async (type) => {
    await using hub = await HubServer.start();
    expect((await hub.publish('a', '{"data":"x"}', { 'Content-Type': type })).status).toBe(415);
  });

  test.each([
    ['overlong UTF-8', Buffer.from([0xc0, 0x8a])],
    ['a half of a pair in UTF-8', Buffer.from([0xed, 0xa0, 0x80])],
    ['half of a character at its end', Buffer.from([0x61, 0xe2, 0x82])],
  ])('smuggles a line break by %s', async (_name, bytes) => {
    await using hub = await HubServer.start();
    const answer = await fetch(`${hub.url}/publish/a`, { method: 'POST', body: new Uint8Array(bytes) });
    expect(await answer.json()).toMatchObject({ code: 'invalid-encoding' });
  });

  test.each([
    ['nested a million deep', `{"data":${'['.repeat(1_000_000)}`],
    ['of a million empty objects in each other', `{"data":${'{"a":'.repeat(1_000_000)}`],
    ['with a number of a million digits in a field', `{"retry":${'9'.repeat(1_000_000)},"data":1}`],
    ['with "__proto__" as a field', '{"__proto__":{"event":"forged"},"data":"x"}'],
    ['with "constructor" as a field', '{"constructor":{"prototype":{"event":"forged"}},"data":"x"}'],
    ['with a forged field behind a good one of its name', '{"id":"good","id":"a\\nb","data":"x"}'],
    ['with a field that is none, written in escapes', '{"\\u0069d":"a\\u000ab","data":"x"}'],
  ])('of JSON %s stops the hub or forges an event', async (_name, body) => {
    await using hub = await HubServer.start();
    expect((await hub.publish('a', body, JSON_TYPE)).status).toBe(400);
    expect(({} as { readonly event?: string }).event).toBeUndefined();
    await expectNothingPublished(hub);
  });

  test('of JSON has its large numbers rounded, so that two amounts are one', async () => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a');
    await client.event('tidegate.live');
    await hub.publish('a', '{"data":{"eur":12345678901234567890.10,"n":1e999}}', JSON_TYPE);
    await client.until((one) => one.data.length === 1);
    expect(client.data).toEqual(['{"eur":12345678901234567890.10,"n":1e999}']);
  });

  test('takes room before it is refused, by a length that it claims', async () => {
    await using hub = await HubServer.start({ limits: { bodyBytes: 1000 } });
    const head = 'POST /publish/a HTTP/1.1\r\nHost: h\r\nContent-Length: ';
    await using raw = new RawConnection(hub).send(`${head}999999999999\r\n\r\n`);
    expect(await raw.until(/"code":"[^"]+"/)).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('takes all the room for bodies that other publishers need', async () => {
    await using hub = await HubServer.start({ limits: { bodiesBytes: 1000 } });
    const head = 'POST /publish/a HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n';
    await using raw = new RawConnection(hub).send(head + 'x'.repeat(2000));
    expect(await raw.until(/"code":"[^"]+"/)).toMatch(/"code":"too-many-bodies"/);
    expect((await hub.publish('a', 'x')).status).toBe(200);
  });

  test('has its length in the metadata of a chunk', async () => {
    await using hub = await HubServer.start();
    const head = 'POST /publish/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';
    await using raw = new RawConnection(hub).send(`${head}1;${'x'.repeat(20_000)}\r\na\r\n0\r\n\r\n`);
    expect(await raw.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 4\d\d /);
    await expectNothingPublished(hub);
  });
});
