import type { IncomingHttpHeaders } from 'node:http';

/** The head of a request that was plain enough to be read here. */
export interface BareHead {
  readonly method: 'GET';
  readonly url: string;
  readonly httpVersionMajor: 1;
  /** By their names in lower case, none twice. */
  readonly headers: IncomingHttpHeaders;
}

/** A longer head is no browser's. */
const HEAD_BYTES_MAX = 8192;
const HEAD_END = '\r\n\r\n';
const REQUEST_LINE = /^GET (\/[\x21-\x7e]*) HTTP\/1\.1$/;
/** RFC 9110, 5.5: a token, a colon, and visible characters. */
const HEADER_LINE =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[ \t\x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/;
/** What would make the request more than its head, or its answer more than a stream. */
const NOT_BARE = new Set([
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'http2-settings',
]);

/**
 * Reads the first bytes of a connection as one whole GET without a body, for which Node's parser need not be kept.
 * Undefined at the least doubt: then Node's parser gets the same bytes, and its verdict counts.
 */
export function readBareHead(bytes: Buffer): BareHead | undefined {
  if (bytes.length > HEAD_BYTES_MAX) return undefined;
  const text = bytes.toString('latin1');
  // Nothing behind it: a second request in the same packet is Node's to see.
  if (text.indexOf(HEAD_END) !== text.length - HEAD_END.length) return undefined;
  const [requestLine = '', ...lines] = text.slice(0, -HEAD_END.length).split('\r\n');
  const url = REQUEST_LINE.exec(requestLine)?.[1];
  const headers = readHeaders(lines);
  if (url === undefined || headers === undefined) return undefined;
  return { method: 'GET', url, httpVersionMajor: 1, headers };
}

function readHeaders(lines: readonly string[]): IncomingHttpHeaders | undefined {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    if (key in headers || NOT_BARE.has(key)) return undefined;
    headers[key] = value;
  }
  const { host, connection = 'keep-alive' } = headers;
  if (host === undefined || !/^(keep-alive|close)$/i.test(connection)) return undefined;
  return headers;
}
