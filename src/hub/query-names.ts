import { editDistance } from '../base/index.js';
import { quote } from '../protocol/index.js';
import { HubError } from './errors.js';

/** Query parameters that carry a token, on every route (PROTOCOL.md, 11.2). */
const OF_TOKENS = ['token', 'Authorization'];

/** Query parameters of the routes on which a wrong name is refused: `/sse` and those of other systems take any. */
const NAMES = {
  subscribe: ['channel', 'lastEventId', 'since', 'last', 'envelope', 'refusals', 'control', ...OF_TOKENS],
  publish: ['id', 'event', 'end', 'raw', ...OF_TOKENS],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type NamedRoute = keyof typeof NAMES;

/** What other servers call a parameter of ours: Mercure, nchan, Centrifugo, pushpin, Ably, RFC 6750. In small letters, without `-` and `_`. */
const OTHER_NAMES: Readonly<Record<NamedRoute, Readonly<Record<string, string>>>> = {
  subscribe: {
    topic: 'channel',
    topics: 'channel',
    lastevent: 'lastEventId',
    lastid: 'lastEventId',
    lastmessageid: 'lastEventId',
    accesstoken: 'token',
    authtoken: 'token',
    jwt: 'token',
  },
  publish: {
    type: 'event',
    eventtype: 'event',
    eventid: 'id',
    accesstoken: 'token',
    authtoken: 'token',
    jwt: 'token',
  },
};

/** Words of their own that lie within one edit of a short name: applications use them. */
const OWN_WORDS = new Set(['list', 'lat', 'taken', 'row', 'ray', 'env']);

/** Characters of a parameter's name beyond which it is nobody's slip. */
const NAME_CHARACTERS_MAX = 32;

/** Parameters that are looked at: a query that has more is no slip either. */
const PARAMETERS_MAX = 100;

/**
 * Refuses a query parameter that was probably meant to be one of the route's: a slip in `lastEventId` would lose events in
 * silence. All others are for somebody else, and are passed over.
 * @throws HubError `invalid-query`, which says the right name.
 */
export function refuseMisnamed(query: URLSearchParams, route: NamedRoute): void {
  let count = 0;
  for (const name of query.keys()) {
    count += 1;
    if (count > PARAMETERS_MAX) return;
    const meant = meantBy(name, route);
    if (meant === undefined) continue;
    throw new HubError('invalid-query', `Cannot take ${quote(name)} from the query: did you mean ${quote(meant)}?`);
  }
}

/** The parameter of `route` that `name` was probably meant to be; undefined where it is one, or none is near. */
export function meantBy(name: string, route: NamedRoute): string | undefined {
  const names: readonly string[] = NAMES[route];
  if (names.includes(name) || name.length > NAME_CHARACTERS_MAX) return undefined;
  const plain = plainOf(name);
  if (Object.hasOwn(OTHER_NAMES[route], plain)) return OTHER_NAMES[route][plain];
  if (OWN_WORDS.has(plain)) return undefined;
  return names.find((ours) => isNear(plain, plainOf(ours)));
}

function plainOf(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

/** Of a short name one edit is a slip, and only behind its first letter: two make almost any other word of it. */
function isNear(text: string, name: string): boolean {
  const isShort = name.length <= 5;
  if (isShort && text[0] !== name[0]) return false;
  const most = Math.min(text.length, name.length) <= 2 ? 0 : isShort ? 1 : 2;
  return Math.abs(text.length - name.length) <= most && editDistance(text, name) <= most;
}
