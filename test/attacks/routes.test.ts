import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { createHash } from 'node:crypto';
import { mintToken, parseApiKey } from '../../src/hub/index.js';
import type { AuthOptions } from '../../src/hub/index.js';
import { HubServer } from '../support/hub-server.js';
import { askRaw } from '../support/raw-request.js';
import type { RawAnswer } from '../support/raw-request.js';

const SECRET = 'a secret of more than thirty-two bytes, for tests alone';
const KEY = 'k'.repeat(43);
const KEY_LINE = `backend:${createHash('sha256').update(KEY).digest('hex')}`;

const JWT: AuthOptions = {
  mode: 'jwt',
  token: { keys: { algorithm: 'HS256', secret: SECRET } },
  apiKeys: [parseApiKey(KEY_LINE)],
};
const MODES: readonly AuthOptions[] = [JWT, { mode: 'apiKey', apiKeys: [parseApiKey(KEY_LINE)] }];

const METHODS = ['GET', 'HEAD', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'TRACE'] as const;

/** What the hub has, written down here once more, by hand: a table that opens more than it should must not agree with itself. */
const OPEN: ReadonlyMap<string, readonly string[]> = new Map([
  ['/', ['GET', 'HEAD']],
  ['/health', ['GET', 'HEAD']],
  ['/ready', ['GET', 'HEAD']],
  ['/openapi.json', ['GET', 'HEAD']],
]);
const GUARDED: ReadonlyMap<string, readonly string[]> = new Map([
  ['/metrics', ['GET', 'HEAD']],
  ['/subscribe', ['GET', 'HEAD']],
  ['/subscribe/private', ['GET', 'HEAD']],
  ['/sse', ['GET', 'HEAD']],
  ['/publish', ['POST']],
  ['/publish/private', ['POST']],
  ['/publish/users/shop/ann', ['POST']],
  ['/channels', ['GET', 'HEAD']],
  ['/channels/private', ['GET', 'HEAD', 'DELETE']],
  ['/channels/private/history', ['GET', 'HEAD']],
  ['/connections/shop', ['GET', 'HEAD']],
  ['/connections/shop/ann', ['GET', 'HEAD']],
  ['/connections/shop/ann/one', ['GET', 'HEAD', 'DELETE']],
  ['/tokens/revoke', ['POST']],
]);
const ALL = new Map([...OPEN, ...GUARDED]);

/** How a spelling must be read: as the path itself, with another name in its last segment, as a path that does not exist, or not at all. */
type Reading = 'same' | 'renamed' | 'other' | 'refused';

/** Last segments that are parameters: there, what is written behind it makes another name. */
const NAMED = /\/(?:private|shop|ann|one)$/;

const hex = (character: string): string => `%${character.charCodeAt(0).toString(16)}`;
const encodeLetters = (path: string): string => path.replace(/[a-z]/g, hex);

/** Spellings of `path` that proxies, routers and URL parsers are known to read in different ways. */
function spellingsOf(path: string): readonly (readonly [target: string, reading: Reading])[] {
  const isRoot = path === '/';
  const below = isRoot ? '' : path;
  const longer = NAMED.test(path) ? 'renamed' : 'other';
  return [
    [path, 'same'],
    [path.replace(/[a-z]/, hex), 'same'],
    [encodeLetters(path), 'same'],
    [encodeLetters(path).toUpperCase(), 'same'],
    [`${path}?`, 'same'],
    [`${path}?all=true&x=/../y`, 'same'],
    [`http://hub${path}`, 'same'],
    [`HTTP://hub:80${path}`, 'same'],
    [`https://hub${path.replace(/[a-z]/, hex)}`, 'same'],
    [path.toUpperCase(), isRoot ? 'same' : 'other'],
    [path.replace(/[a-z]/, (letter) => `%25${hex(letter).slice(1)}`), isRoot ? 'same' : 'other'],
    [`${path};a=b`, longer],
    [`${path}%20`, longer],
    [`${path}%3F`, longer],
    [`${path}%ef%bc%8f`, longer],
    [`/x/..${path}`, 'refused'],
    [`/x/%2e%2e${path}`, 'refused'],
    [`/x/.%2E${path}`, 'refused'],
    [`/.${path}`, 'refused'],
    [`/%2e${path}`, 'refused'],
    [`${below}/.`, 'refused'],
    [`${below}/x/..`, 'refused'],
    [`/${path}`, 'refused'],
    [`${below}//`, 'refused'],
    [isRoot ? '//' : `${path}/`, 'refused'],
    [`/%2f${path}`, 'refused'],
    [`${below}/%2F`, 'refused'],
    [`/x%2f..%2f${path.slice(1)}`, 'refused'],
    [`/x%5c..%5c${path.slice(1)}`, 'refused'],
    [`\\${path.slice(1)}`, 'refused'],
    [`/\\${path}`, 'refused'],
    [`${path}%00`, 'refused'],
    [`${path}%0d%0aX:y`, 'refused'],
    [`${path}%c2%85`, 'refused'],
    [`${path}%zz`, 'refused'],
    [`${path}%c0%af`, 'refused'],
    [`${path}%`, 'refused'],
    [`${path}#x`, 'refused'],
    [`http://user@hub${path}`, 'refused'],
    [`ftp://hub${path}`, 'refused'],
    [`hub${path}`, 'refused'],
  ];
}

/** The bare path reads a GET's head by itself; a length sends the same request to Node's parser and the framework. */
const WAYS: readonly (readonly [name: string, headers: readonly string[]])[] = [
  ['the bare path', []],
  ['the framework', ['Content-Length: 0']],
];

interface Case {
  readonly path: string;
  readonly target: string;
  readonly reading: Reading;
  readonly method: string;
}

function* cases(paths: Iterable<string>): Generator<Case> {
  for (const path of paths)
    for (const [target, reading] of spellingsOf(path))
      for (const method of METHODS) yield { path, target, reading, method };
}

/** Asks all, some at a time; returns what was not as `expected` says. */
async function faults(
  hub: HubServer,
  headers: readonly string[],
  {
    paths,
    expected,
  }: { readonly paths: Iterable<string>; readonly expected: (asked: Case, answer: RawAnswer) => boolean },
): Promise<readonly string[]> {
  const left = [...cases(paths)];
  const found: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const answer = await askRaw(hub.port, { method: next.method, target: next.target, headers });
      if (!expected(next, answer)) found.push(`${next.method} ${next.target}: ${answer.status} ${answer.code}`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, work));
  return found;
}

const isOpen = ({ path, method }: Case): boolean => OPEN.get(path)?.includes(method) ?? false;
const isKnown = ({ path, method }: Case): boolean => ALL.get(path)?.includes(method) ?? false;

function asStranger(asked: Case, { status, code }: RawAnswer): boolean {
  // Node's parser refuses some by itself, without a body.
  if (asked.reading === 'refused') return status === 400 && (code === '' || code === 'invalid-target');
  if (asked.reading === 'other') return status === 401;
  if (asked.method === 'OPTIONS') return status === 204;
  if (asked.reading === 'renamed') return status === 401;
  return isOpen(asked) ? status === 200 || status === 301 : status === 401;
}

function asGuest(asked: Case, { status, code }: RawAnswer): boolean {
  if (asked.reading === 'refused') return status === 400;
  if (asked.reading === 'other')
    return asked.method === 'HEAD' || asked.method === 'OPTIONS' ? status === 404 : code === 'not-found';
  if (asked.method === 'OPTIONS') return status === 204;
  if (!isKnown(asked)) return status === 405;
  if (asked.reading === 'renamed') return status === 403 || (status === 400 && /^(invalid-channel)?$/.test(code));
  if (isOpen(asked)) return status < 400;
  if (asked.path === '/sse' || asked.path === '/channels') return status === 200;
  // These two name what they are about in the query or the body, which is missing here.
  if (['/subscribe', '/publish', '/tokens/revoke'].includes(asked.path)) return status >= 400 && status < 500;
  return status === 403;
}

function asAnyone(asked: Case, { status }: RawAnswer): boolean {
  if (asked.reading === 'refused') return status === 400;
  if (asked.reading === 'other') return status === 404;
  if (asked.method === 'OPTIONS') return status === 204;
  return isKnown(asked) ? status !== 401 && status !== 403 && status !== 405 : status === 405;
}

const fill = (path: string): string =>
  path
    .replace('{channel}', 'private')
    .replace('{application}', 'shop')
    .replace('{user}', 'ann')
    .replace('{connection}', 'one');

describe.each(MODES.map((auth) => [auth.mode, auth] as const))('with %s, a stranger', (_mode, auth) => {
  let hub: HubServer;
  beforeAll(async () => {
    hub = await HubServer.start({ auth });
    await hub.hub.publish('private', { data: 'secret' });
  });
  afterAll(() => hub[Symbol.asyncDispose]());

  test.each(WAYS)(
    'gets past no route by any spelling or method, by %s',
    async (_way, headers) => {
      expect(await faults(hub, headers, { paths: ALL.keys(), expected: asStranger })).toEqual([]);
      // A server's key still finds the channel as it was.
      const { body } = await hub.get('/channels/private', { 'X-API-Key': KEY });
      expect(body).toMatchObject({ events: 1, subscribers: 0, isEnded: false });
    },
    120_000,
  );
});

describe('a caller without any grant', () => {
  test('reads its own stream, what is open, and an empty list of channels; nothing else, by any spelling', async () => {
    await using hub = await HubServer.start({ auth: JWT });
    const token = await mintToken({
      secret: SECRET,
      application: 'shop',
      user: 'eve',
      lifetimeMs: 600_000,
      nowMs: Date.now(),
    });
    for (const [, way] of WAYS)
      expect(
        await faults(hub, [...way, `Authorization: Bearer ${token}`], { paths: ALL.keys(), expected: asGuest }),
      ).toEqual([]);
  }, 120_000);
});

describe('without authentication', () => {
  test('the same spellings lead to the same routes, and no others', async () => {
    await using hub = await HubServer.start();
    for (const [, way] of WAYS) expect(await faults(hub, way, { paths: ALL.keys(), expected: asAnyone })).toEqual([]);
  }, 120_000);

  test('the hub describes each of its routes, and has none that it does not describe', async () => {
    await using hub = await HubServer.start();
    const { body } = await hub.get('/openapi.json');
    const described = Object.entries(body['paths'] as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const expected = [...ALL].flatMap(([path, methods]) =>
      methods.filter((method) => method !== 'HEAD').map((method) => `${method} ${path}`),
    );
    expect(new Set([...described.map(fill), 'GET /', 'GET /openapi.json'])).toEqual(new Set(expected));
  });
});
