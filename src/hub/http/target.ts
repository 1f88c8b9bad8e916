import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { checkChannel } from '../event.js';

/** What a request asks for, read once: whatever handles the request sees only this. */
export interface Target {
  /** The host that an absolute-form target names (RFC 9112, 3.2.2); it counts in place of `Host`. */
  readonly authority: string | undefined;
  /**
   * The canonical path below the hub's base path: each segment percent-encoded in one way, `/` for the base path itself,
   * and empty if that was asked for without its slash. Undefined for a path outside the base path.
   */
  readonly path: string | undefined;
  /** The segments of that path, decoded. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

/** Other characters have no place in a target, and two programs in a row may read them in two ways. */
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)(.*)$/i;
/** `uri-host` and port of RFC 9110, 7.2, without a user. */
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]*)?$/;
/** Decoded, they would make more segments of one, or hide in what is shown. */
const FORBIDDEN_IN_SEGMENT = /[/\\\p{Cc}]/u;

/**
 * Reads a request target of origin-form or absolute-form (PROTOCOL.md, 9.12).
 * @throws HubError `invalid-target` for anything that could be read in two ways.
 */
export function readTarget(text: string, basePath: string): Target {
  if (!VISIBLE_ASCII.test(text) || text.includes('#')) throw invalid(text, 'it holds more than visible ASCII, or a #');
  const { authority, rest } = splitAuthority(text);
  const mark = rest.indexOf('?');
  const path = mark === -1 ? rest : rest.slice(0, mark);
  if (!path.startsWith('/')) throw invalid(text, 'its path does not begin with a slash');
  const query = new URLSearchParams(mark === -1 ? '' : rest.slice(mark + 1));
  return { authority, query, ...readPath(path, basePath) };
}

/** Whether `text` can stand in `Host`, and means one host. */
export function isAuthority(text: string): boolean {
  return AUTHORITY.test(text);
}

function splitAuthority(text: string): { readonly authority: string | undefined; readonly rest: string } {
  const [, authority, rest = ''] = ABSOLUTE_FORM.exec(text) ?? [];
  if (authority === undefined) return { authority, rest: text };
  if (!isAuthority(authority)) throw invalid(text, 'its host cannot be read');
  return { authority, rest: rest.startsWith('/') ? rest : `/${rest}` };
}

const OUTSIDE = { path: undefined, segments: [] };

function readPath(path: string, basePath: string): Pick<Target, 'path' | 'segments'> {
  const base = basePath.split('/').slice(1);
  if (path === '/' && base.length > 0) return OUTSIDE;
  const raw = path.split('/').slice(1);
  // The base path may be asked for with its slash; no other path ends with one.
  const hasSlash = raw.length === base.length + 1 && raw.at(-1) === '';
  const segments = (hasSlash ? raw.slice(0, -1) : raw).map((segment) => readSegment(segment, path));
  if (base.some((segment, at) => segments[at] !== segment)) return OUTSIDE;
  const own = segments.slice(base.length);
  const root = hasSlash ? '/' : '';
  return {
    path: own.length === 0 ? root : own.map((segment) => `/${encodeURIComponent(segment)}`).join(''),
    segments: own,
  };
}

/** PROTOCOL.md, 9.13. */
const NAME_IN_BASE64URL =
  'Write an application or user whose name is a URL as "=" and its base64url (PROTOCOL.md, 9.13)';

function readSegment(raw: string, path: string): string {
  const segment = decodeSegment(raw, path);
  if (segment === '') throw invalid(path, emptySegment(path));
  if (segment === '.' || segment === '..') throw invalid(path, 'it has a dot segment');
  if (FORBIDDEN_IN_SEGMENT.test(segment))
    throw invalid(
      path,
      `a segment of its path holds a slash, a backslash or a control character. ${NAME_IN_BASE64URL}`,
    );
  return segment;
}

function emptySegment(path: string): string {
  if (path.endsWith('/') && !path.includes('//')) return 'it ends with a slash. Leave that slash out';
  return `a segment of its path is empty. ${NAME_IN_BASE64URL}`;
}

function decodeSegment(raw: string, path: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    throw invalid(path, 'its percent-encoding is no UTF-8');
  }
}

function invalid(text: string, reason: string): HubError {
  return new HubError('invalid-target', `Cannot read the request target ${quote(text)}: ${reason}`);
}

/** A header's value: clients send UTF-8, Node reads Latin-1. */
export function readUtf8(header: string): string {
  return Buffer.from(header, 'latin1').toString();
}

const NO_CHANNEL =
  'Cannot go on: no channel is named. Name one in the path, as ?channel=NAME, or in "channels" of a publish';

/** The channels that a list names: each valid, none twice. @throws HubError. */
export function checkChannels(names: readonly string[], countMax: number): readonly string[] {
  if (names.length === 0) throw new HubError('missing-channel', NO_CHANNEL);
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
