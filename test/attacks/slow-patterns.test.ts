import { request as requestHttp } from 'node:http';

import { describe, expect, test } from 'vitest';

import type { HubOptions } from '../../src/hub/index.js';
import { readBareHead } from '../../src/hub/http/bare-request.js';
import { readJsonObject } from '../../src/hub/http/json-object.js';
import { readNdjsonEvents } from '../../src/hub/http/publish-body.js';
import { DEFAULT_LIMITS } from '../../src/hub/limits.js';
import { checkChannelName, createEventParser, encodeEvent } from '../../src/protocol/index.js';
import { TOKEN_SECRET } from '../support/asking-hub.js';
import { HubServer } from '../support/hub-server.js';

/** Characters that patterns stumble over when they are repeated; `x` at the end makes the pattern fail there. */
const RUNS = [' ', '\t', '\xa0', 'a', 'a ', ' a', ';', '; ', ',', ', ', ':', '1:', '1.', '.', '-', '"', '\\', '[', ']'];
const MORE_RUNS = ['[]', '/', '%', '%25', '=', 'a=', 'q=0;', ';q', '::', '0', '9', '~a', '*', '?', '#', '&a=', '@'];
const STARTS = [
  '',
  'Bearer',
  'Bearer ',
  ';charset',
  ';charset=',
  'text/',
  'gzip;q',
  'gzip;q=0.',
  '[',
  '"',
  'http://',
  '1',
];

const adversaries = (bytes: number): readonly string[] => [
  ...[...RUNS, ...MORE_RUNS].map((run) => `${run.repeat(bytes / run.length)}x`),
  ...STARTS.flatMap((start) => [' ', '\xa0', '"', '1'].map((run) => `${start}${run.repeat(bytes)}\x80`)),
];

/** Milliseconds of this process's own CPU, which a busy machine does not add to, of the fastest of three runs. */
function costMs(task: () => void): number {
  const runs = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    try {
      task();
    } catch {
      // Refused, as it should be.
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...runs);
}

/** What sixteen times the input costs: sixteen times as much, with room for noise; 256 times would be quadratic. */
const GROWTH_MAX = 90;

function growthOf<Input>(make: (size: number) => Input, read: (input: Input) => unknown, size: number): number {
  const [small, large] = [make(size / 16), make(size)];
  const largeMs = costMs(() => void read(large));
  return largeMs < 20 ? 1 : largeMs / costMs(() => void read(small));
}

/** Quadratic work on 70 KB takes seconds; a busy machine takes tens of milliseconds for anything. */
const SLOW_MS = 200;
const KIB = 1024;
const MIB = 1024 * KIB;
const head = (value: string): Buffer => Buffer.from(`GET / HTTP/1.1\r\nHost: h\r\nX:${value}\r\n\r\n`, 'latin1');

const DATA: ReadonlySet<string> = new Set(['data']);

/** Reads it, or refuses it: either must end soon. */
function readOrRefuse(json: string): void {
  try {
    readJsonObject(json, DATA);
  } catch {
    // As it should, of what is nested too deep.
  }
}

describe('the time to read what a stranger sends grows no faster than its length:', () => {
  test('a head', () => {
    for (const run of [...RUNS, ...MORE_RUNS])
      for (const end of ['', '\x01'])
        expect(costMs(() => void readBareHead(head(run.repeat(8000 / run.length) + end)))).toBeLessThan(20);
    expect(growthOf((size) => head(`${' '.repeat(size)}\x01`), readBareHead, 8000)).toBeLessThan(GROWTH_MAX);
  });

  test.each<readonly [string, (size: number) => string, number]>([
    ['marks that normal form C would put in order', (size) => `a${'\u0300\u0323'.repeat(size / 4)}`, 64 * KIB],
    ['letters', (size) => 'a'.repeat(size), 4 * MIB],
    ['spaces', (size) => ' '.repeat(size), 4 * MIB],
  ])('a channel name of %s', (_name, make, size) => {
    expect(growthOf(make, checkChannelName, size)).toBeLessThan(GROWTH_MAX);
  });

  test.each<readonly [string, (size: number) => string]>([
    ['line breaks', (size) => `{"data":[${'\n'.repeat(size)}1]}`],
    ['line breaks and spaces', (size) => `{"data":[${'\n '.repeat(size / 2)}1]}`],
    ['escaped quotes', (size) => `{"data":["${'\\"'.repeat(size / 2)}"]}`],
    ['backslashes', (size) => `{"data":["${'\\\\'.repeat(size / 2)}"]}`],
    ['many members', (size) => `{${'"a":1,'.repeat(size / 6)}"data":1}`],
    ['long names', (size) => `{"${'a'.repeat(size)}":1,"data":1}`],
  ])('a JSON body with %s', (_name, make) => {
    expect(growthOf(make, (json: string) => readOrRefuse(json), 4 * MIB)).toBeLessThan(GROWTH_MAX);
  });

  test.each<readonly [string, (size: number) => string]>([
    ['spaces', (size) => ' '.repeat(size)],
    ['spaces on each line', (size) => ' \n'.repeat(size / 2)],
    ['carriage returns', (size) => '\r'.repeat(size)],
  ])('a batch of %s', (_name, make) => {
    expect(
      growthOf(
        make,
        (text: string) => readNdjsonEvents(text, { limits: DEFAULT_LIMITS, check: () => undefined }),
        4 * MIB,
      ),
    ).toBeLessThan(GROWTH_MAX);
  });

  test.each<readonly [string, (size: number) => Uint8Array]>([
    ['one line', (size) => Buffer.from(`data: ${'a'.repeat(size)}`)],
    ['empty data lines', (size) => Buffer.from('data\n'.repeat(size / 5))],
    ['carriage returns', (size) => Buffer.from('\r'.repeat(size))],
    ['comments', (size) => Buffer.from(':\n'.repeat(size / 2))],
    ['ids', (size) => Buffer.from('id:1\n'.repeat(size / 5))],
  ])('an event stream of %s, whole and in small pieces', (_name, make) => {
    const parse = (bytes: Uint8Array, piece: number): void => {
      const parser = createEventParser({ onEvent: () => undefined, maxEventBytes: 16 * MIB });
      for (let at = 0; at < bytes.length; at += piece) parser.push(bytes.subarray(at, at + piece));
    };
    expect(growthOf(make, (bytes: Uint8Array) => parse(bytes, bytes.length), 2 * MIB)).toBeLessThan(GROWTH_MAX);
    expect(growthOf(make, (bytes: Uint8Array) => parse(bytes, 16), MIB / 2)).toBeLessThan(GROWTH_MAX);
  });

  test('the lines of an event', () => {
    for (const run of ['\n', '\r', '\r\n', ' \n'])
      expect(growthOf((size) => ({ data: run.repeat(size / run.length) }), encodeEvent, MIB)).toBeLessThan(GROWTH_MAX);
  });
});

/** Milliseconds from a request to its whole answer. */
function roundTripMs(
  hub: HubServer,
  options: { readonly method: string; readonly path: string; readonly header: string; readonly value: string },
): Promise<number> {
  const { method, path, header, value } = options;
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const asked = requestHttp(`${hub.url}${path}`, { method, headers: { [header]: value }, agent: false });
    asked.on('response', (response) => {
      response.resume();
      response.destroy();
      resolve(performance.now() - startedMs);
    });
    asked.on('error', reject).end(method === 'POST' ? 'x' : undefined);
  });
}

type Ask = readonly [method: 'GET' | 'POST', path: string, header: string];

const HEADERS: readonly Ask[] = [
  ...['Accept', 'Accept-Encoding', 'Host', 'Origin', 'X-Forwarded-For', 'Last-Event-ID', 'Sec-Fetch-Mode'].map(
    (header): Ask => ['GET', '/subscribe/a', header],
  ),
  ...['Content-Type', 'Content-Encoding', 'Idempotency-Key'].map((header): Ask => ['POST', '/publish/a', header]),
];
const SECRETS = ['Authorization', 'Cookie', 'X-API-Key', 'Origin'].map((header): Ask => [
  'GET',
  '/subscribe/a',
  header,
]);
const OPEN: HubOptions = {
  trustedProxies: ['loopback'],
  hosts: ['hub.example'],
  cors: { origins: ['https://app.example'] },
};
const ASKING: HubOptions = {
  auth: { mode: 'jwt', token: { keys: { algorithm: 'HS256', secret: TOKEN_SECRET }, cookie: 'session' } },
};

/** The adversaries that cost much; a slow answer may have been disturbed, and counts when two more are slow. */
async function slowOnes(
  values: readonly string[],
  ask: (value: string) => Promise<number>,
): Promise<readonly string[]> {
  const slow: string[] = [];
  for (const value of values) {
    const isSlow = async (): Promise<boolean> => (await ask(value)) > SLOW_MS;
    if ((await isSlow()) && (await isSlow()) && (await isSlow())) slow.push(value.slice(0, 20));
  }
  return slow;
}

describe.each([
  ['without authentication', OPEN, HEADERS],
  ['with tokens', ASKING, SECRETS],
] as const)('a hub %s is not held up by 70 KB', (_name, options, asks) => {
  test.each(asks)('to %s %s in %s', async (method, path, header) => {
    await using hub = await HubServer.start(options);
    const ask = (value: string): Promise<number> => roundTripMs(hub, { method, path, header, value });
    expect(await slowOnes(adversaries(70 * KIB), ask)).toEqual([]);
  });
});

describe.each([
  ['without authentication', OPEN, ['since', 'last', 'lastEventId', 'channel', 'envelope']],
  ['with tokens', ASKING, ['token', 'Authorization']],
] as const)('a hub %s is not held up by 60 KB', (_name, options, names) => {
  test.each(names)('in the query parameter %s', async (name) => {
    await using hub = await HubServer.start(options);
    const ask = (value: string): Promise<number> => {
      const query = encodeURIComponent(value).slice(0, 60 * KIB);
      const path = name === 'channel' ? `/subscribe?channel=${query}` : `/subscribe/a?${name}=${query}`;
      return roundTripMs(hub, { method: 'GET', path, header: 'Accept', value: '*/*' });
    };
    expect(await slowOnes(adversaries(20 * KIB), ask)).toEqual([]);
  });
});
