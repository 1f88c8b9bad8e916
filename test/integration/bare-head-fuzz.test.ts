import { assert, asyncProperty, array, constant, constantFrom, integer, nat, oneof, string, tuple } from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { readBareHead } from '../../src/hub/http/bare-request.js';
import { NodeParser } from '../support/node-parser.js';
import type { ReadRequest } from '../support/node-parser.js';

const HEAD_BYTES_MAX = 80 * 1024;
const CASES = 2500;

let parser: NodeParser;
beforeAll(async () => {
  parser = await NodeParser.start(HEAD_BYTES_MAX);
});
afterAll(() => parser[Symbol.asyncDispose]());

function shown({ headers, ...line }: ReadRequest): unknown {
  return { ...line, headers: Object.entries(headers) };
}

/** What the bare reader makes of `text`, and Node; no reading of the bare reader is no difference. */
async function readBoth(text: string): Promise<readonly [bare: unknown, node: unknown]> {
  const bytes = Buffer.from(text, 'latin1');
  const bare = readBareHead(bytes);
  if (bare === undefined) return [undefined, undefined];
  return [[shown(bare)], (await parser.read(bytes)).map(shown)];
}

const oneOf = (characters: string): Arbitrary<string> => constantFrom(...characters.split(''));
const latin1 = integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const blank = constantFrom('', ' ', '\t', ' \t ', '   ');
const odd = constantFrom(
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\x01',
  '\x0b',
  '\x0c',
  '\x7f',
  '\x80',
  '\xa0',
  '\xff',
  '"',
  ':',
  ',',
);
const name = oneof(
  {
    weight: 12,
    arbitrary: constantFrom('Accept', 'Cookie', 'Last-Event-ID', 'Authorization', 'Origin', 'X-A', 'Referer'),
  },
  constantFrom('__proto__', 'constructor', 'toString', 'Set-Cookie', 'Age', 'Date', 'Via', 'hOST', 'connection', 'x_y'),
  constantFrom(
    'Content-Length',
    'Transfer-Encoding',
    'Upgrade',
    'Expect',
    'TE',
    'Trailer',
    'Keep-Alive',
    'Proxy-Connection',
  ),
  string({ unit: oneOf("aZ0!#$%&'*+-.^_`|~"), minLength: 1, maxLength: 5 }),
  string({ unit: latin1, maxLength: 4 }),
);
const value = oneof(
  { weight: 8, arbitrary: string({ unit: oneOf('ab=/;,"\\ \t~\x80\xc3\xa4\xff'), maxLength: 12 }) },
  constantFrom('keep-alive', 'close', 'Close', 'upgrade', 'keep-alive, close', '5', '0', 'chunked', 'trailers'),
  string({ unit: oneof(latin1, odd), maxLength: 8 }),
);
const header = tuple(name, blank, value, blank).map(([key, before, text, after]) => `${key}:${before}${text}${after}`);
const target = oneof(
  { weight: 8, arbitrary: constantFrom('/subscribe/a', '/subscribe?channel=a&last=5', '/sse', '/') },
  string({ unit: oneOf('/ab?#%.:@!$&\'()*+,;=-_~|\\^`{}<>[]"'), maxLength: 10 }).map((text) => `/${text}`),
  string({ unit: oneof(latin1, odd), maxLength: 6 }),
);
/** What a browser sends, most of the time: one oddity is enough for a difference. */
const mostly = (usual: string, ...others: readonly string[]): Arbitrary<string> =>
  oneof({ weight: 20, arbitrary: constant(usual) }, constantFrom(...others));
const lineEnd = mostly('\r\n', '\n', '\r', '\r\n ', '\r\n\t', '\r\r\n');
const requestLine = tuple(mostly('GET', 'POST', 'get', 'PRI'), mostly(' ', '  ', '\t'), target).chain(
  ([method, gap, path]) =>
    mostly('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ').map((end) => `${method}${gap}${path} ${end}`),
);
const host = mostly('Host: hub', 'Host:', 'host: 127.0.0.1:80', 'Host : hub', 'X: no host');
const lines = array(tuple(header, lineEnd), { maxLength: 4 });
const head = tuple(requestLine, host, lines, mostly('', 'x', 'GET / HTTP/1.1\r\n\r\n')).map(
  ([first, second, more, behind]) => `${first}\r\n${second}\r\n${more.flat().join('')}\r\n${behind}`,
);

describe('readBareHead()', () => {
  test('reads whatever it takes as Node does, and nothing that Node refuses', async () => {
    let taken = 0;
    const property = asyncProperty(head, async (text) => {
      const [bare, node] = await readBoth(text);
      expect(node).toEqual(bare);
      if (bare !== undefined) taken += 1;
    });
    await assert(property, { numRuns: CASES });
    expect(taken).toBeGreaterThan(CASES / 5);
  }, 60_000);

  test('agrees with Node on a whole head of which any one byte is another', async () => {
    const whole = 'GET /subscribe/a?last=5#x HTTP/1.1\r\nHost: hub\r\nCookie: a="b c"; d \t\r\nX:\r\n\r\n';
    const property = asyncProperty(nat(whole.length - 1), latin1, async (at, byte) => {
      const [bare, node] = await readBoth(whole.slice(0, at) + byte + whole.slice(at + 1));
      expect(node).toEqual(bare);
    });
    await assert(property, { numRuns: CASES });
  }, 60_000);

  test.each([
    ...Array.from({ length: 256 }, (_, code) => [
      `byte ${code} in the target`,
      `GET /a${String.fromCharCode(code)}b HTTP/1.1\r\nHost: h\r\n\r\n`,
    ]),
    ...Array.from({ length: 256 }, (_, code) => [
      `byte ${code} in a name`,
      `GET / HTTP/1.1\r\nHost: h\r\nX${String.fromCharCode(code)}: b\r\n\r\n`,
    ]),
    ...Array.from({ length: 256 }, (_, code) => [
      `byte ${code} in a value`,
      `GET / HTTP/1.1\r\nHost: h\r\nX: a${String.fromCharCode(code)}b\r\n\r\n`,
    ]),
    ...Array.from({ length: 256 }, (_, code) => [
      `byte ${code} at the end of a value`,
      `GET / HTTP/1.1\r\nHost: h\r\nX: a${String.fromCharCode(code)}\r\n\r\n`,
    ]),
    ...[
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'set-cookie',
      'cookie',
      'age',
      'etag',
      'from',
      'connection',
      'keep-alive',
    ].map((key) => [`the header ${key}`, `GET / HTTP/1.1\r\nHost: h\r\n${key}: close\r\n\r\n`]),
    ['two fragments', 'GET /a#b#c HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['a fragment and a query behind it', 'GET /a#b?c HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['two slashes', 'GET //evil/a HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n'],
    ['a header that begins with a colon', 'GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n'],
    [
      'many headers',
      `GET / HTTP/1.1\r\nHost: h\r\n${Array.from({ length: 1200 }, (_, at) => `${at.toString(36)}:\r\n`).join('')}\r\n`,
    ],
    ['only spaces in a value', `GET / HTTP/1.1\r\nHost: h\r\nX:${' \t'.repeat(2000)}\r\n\r\n`],
  ])('agrees with Node on %s', async (_name, text) => {
    const [bare, node] = await readBoth(text);
    expect(node).toEqual(bare);
  });
});
