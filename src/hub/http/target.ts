import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { checkChannel } from '../event.js';

/** A request's URL, taken apart once. */
export interface Target {
  /** Percent-encoded segments, without the hub's base path. */
  readonly segments: readonly string[];
  /** Empty where the base path has no slash behind it. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Scheme and server, with which a request to a proxy begins: a server must take them too (RFC 9112, 3.2.2). */
const ABSOLUTE = /^https?:\/\/[^/?]*/i;

/** Reads the target below `basePath`; undefined where it lies elsewhere. */
export function readTarget(url: string, basePath: string): Target | undefined {
  const relative = url.replace(ABSOLUTE, '');
  return readRelative(relative.startsWith('/') || relative === url ? relative : `/${relative}`, basePath);
}

function readRelative(url: string, basePath: string): Target | undefined {
  const mark = url.indexOf('?');
  const full = mark === -1 ? url : url.slice(0, mark);
  if (full !== basePath && !full.startsWith(`${basePath}/`)) return undefined;
  const path = full.slice(basePath.length);
  return {
    path,
    segments: path.split('/').slice(1),
    query: new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1)),
  };
}

/** The segment that names a channel, or undefined where none does. @throws HubError `not-found` for a longer path. */
export function channelSegment([, segment, ...more]: readonly string[]): string | undefined {
  if (more.length > 0) throw new HubError('not-found', 'Cannot find anything below a channel');
  return segment === '' ? undefined : segment;
}

/** A header's value: clients send UTF-8, Node reads Latin-1. */
export function readUtf8(header: string): string {
  return Buffer.from(header, 'latin1').toString();
}

/** The channel that a path segment names, percent-decoded once. @throws HubError `invalid-channel`. */
export function readChannel(segment: string): string {
  try {
    return checkChannel(decodeURIComponent(segment));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new HubError('invalid-channel', `Cannot read channel ${quote(segment)}: bad percent-encoding`);
  }
}

/** What a path segment says, percent-decoded once. @throws HubError `invalid-query`. */
export function readSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HubError('invalid-query', `Cannot read ${quote(segment)} in the path: bad percent-encoding`);
  }
}

/** The channels that a list names: each valid, none twice. @throws HubError. */
export function checkChannels(names: readonly string[], countMax: number): readonly string[] {
  if (names.length === 0) throw new HubError('missing-channel', 'Cannot go on: no channel is named');
  if (names.length > countMax) {
    throw new HubError(
      'too-many-channels-asked',
      `Cannot take ${names.length} channels at once: ${countMax} are allowed`,
    );
  }
  for (const name of names) checkChannel(name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new HubError('duplicate-channel', `Cannot take channel ${quote(twice)} twice`);
  return names;
}

/** A query parameter that is `true`, `false` or not there. @throws HubError `invalid-query`. */
export function readFlag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null || value === 'false') return false;
  if (value === 'true' || value === '') return true;
  throw new HubError('invalid-query', `Cannot read ${name}=${quote(value)}: it is neither true nor false`);
}
