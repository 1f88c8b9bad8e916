import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';

export interface HttpClientOptions {
  /** Milliseconds for the connection alone, TLS included. */
  readonly connectTimeoutMs: number;
}

interface HttpRequest {
  /** Absolute, http or https; credentials in it are sent as Basic authorization. */
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Names in lower case; they win over `headers`. Sent to the origin of `url` only, not to another that it redirects to: they may be secrets. */
  readonly ownHeaders: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** The first value of an answer's header, by its name in lower case. */
  header(name: string): string | undefined;
  /** Bytes as they arrive; while nobody reads, the socket is not read either. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the connection. */
  discard(): void;
}

export interface HttpClient {
  /**
   * GETs `url`, following up to 5 redirects; resolves when the answer's headers are there.
   * @throws Error the server cannot be reached, breaks HTTP, or redirects in circles.
   */
  get(httpRequest: HttpRequest): Promise<HttpAnswer>;
  close(): Promise<void>;
}

const REDIRECTS_MAX = 5;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * HTTP for streams that never end. Node's own fetch gives up on a body that is silent for 300 s, so this is
 * undici with its timeouts off: the caller has a better one, which also knows when nobody reads.
 */
export function createHttpClient({ connectTimeoutMs }: HttpClientOptions): HttpClient {
  const agent = new Agent({
    connect: { timeout: connectTimeoutMs },
    headersTimeout: 0,
    bodyTimeout: 0,
    // A connection for each request: one that a server is about to close must not be used again.
    pipelining: 0,
  });
  return {
    get: (httpRequest) => follow(agent, httpRequest),
    close: () => agent.destroy(),
  };
}

async function follow(agent: Agent, { url, headers, ownHeaders, signal }: HttpRequest): Promise<HttpAnswer> {
  let target = url;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const own = target.origin === url.origin ? { ...basicAuthorization(url), ...ownHeaders } : {};
    const address = target.origin + target.pathname + target.search;
    const answer = toAnswer(await request(address, { dispatcher: agent, headers: { ...headers, ...own }, signal }));
    const location = REDIRECT_STATUSES.has(answer.status) ? answer.header('location') : undefined;
    if (location === undefined) return answer;
    answer.discard();
    target = resolveRedirect(location, target);
  }
  throw new Error(`redirected more than ${REDIRECTS_MAX} times`);
}

function resolveRedirect(location: string, base: URL): URL {
  const target = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
  if (target?.protocol === 'http:' || target?.protocol === 'https:') return target;
  throw new Error('redirected to something that is no http or https URL');
}

function toAnswer({ statusCode, headers, body }: Dispatcher.ResponseData): HttpAnswer {
  // Aborting a body that nobody reads yet would otherwise be an uncaught error.
  body.on('error', () => {});
  return {
    status: statusCode,
    header(name) {
      const value = headers[name];
      return typeof value === 'string' ? value : value?.[0];
    },
    body: body as AsyncIterable<Uint8Array>,
    discard: () => {
      body.destroy();
    },
  };
}

function basicAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = Buffer.from(`${decode(username)}:${decode(password)}`);
  return { authorization: `Basic ${credentials.toString('base64')}` };
}

/** A `%` that begins no escape is legal in a URL, and stands for itself. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
