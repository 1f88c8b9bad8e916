import type { IncomingHttpHeaders } from 'node:http';

/** The head of a request that was plain enough to be read here. */
export interface BareHead {
  readonly method: 'GET';
  readonly url: string;
  readonly httpVersionMajor: 1;
  /** By their names in lower case, none twice. */
  readonly headers: IncomingHttpHeaders;
}

/** No browser sends a longer head. */
const HEAD_BYTES_MAX = 8192;
const HEAD_END = '\r\n\r\n';
const METHOD = 'GET ';
const VERSION = ' HTTP/1.1';
// These patterns are one character class each: the time that they take grows with the length of the text, never faster.
const TARGET = /^\/[\x21-\x7e]*$/;
/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110, 5.5: visible characters, spaces and tabs. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Headers with which the request is more than its head, or its answer more than a stream; then those that Node keeps in another form. */
const NOT_BARE = new Set([
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'http2-settings',
  'set-cookie',
  '__proto__',
]);

/**
 * Reads the first bytes of a connection as one whole GET without a body, for which Node's parser need not be kept.
 * Undefined at the least doubt: then Node's parser gets the same bytes, and its verdict counts.
 */
export function readBareHead(bytes: Buffer): BareHead | undefined {
  if (bytes.length > HEAD_BYTES_MAX) return undefined;
  const text = bytes.toString('latin1');
  // Nothing behind it: a second request in the same packet is left to Node.
  if (text.indexOf(HEAD_END) !== text.length - HEAD_END.length) return undefined;
  const [requestLine = '', ...lines] = text.slice(0, -HEAD_END.length).split('\r\n');
  const url = readTarget(requestLine);
  const headers = readHeaders(lines);
  if (url === undefined || headers === undefined) return undefined;
  return { method: 'GET', url, httpVersionMajor: 1, headers };
}

function readTarget(line: string): string | undefined {
  if (!line.startsWith(METHOD) || !line.endsWith(VERSION)) return undefined;
  const target = line.slice(METHOD.length, -VERSION.length);
  return TARGET.test(target) ? target : undefined;
}

function readHeaders(lines: readonly string[]): IncomingHttpHeaders | undefined {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    const value = line.slice(colon + 1);
    if (!TOKEN.test(name) || !VALUE.test(value)) return undefined;
    const key = name.toLowerCase();
    if (key in headers || NOT_BARE.has(key)) return undefined;
    headers[key] = withoutEdges(value);
  }
  const { host, connection = 'keep-alive' } = headers;
  if (host === undefined || !/^(keep-alive|close)$/i.test(connection)) return undefined;
  return headers;
}

/** Without the spaces and tabs around it; `trim()` takes other characters away too. */
function withoutEdges(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value, start)) start += 1;
  while (end > start && isBlank(value, end - 1)) end -= 1;
  return value.slice(start, end);
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t';
}
