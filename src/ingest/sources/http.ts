import { createSecureContext, rootCertificates } from 'node:tls';
import { Agent, Pool, ProxyAgent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { IngestError, messageOf } from '../errors.js';
import { checkHttpUrl } from '../http-options.js';

/** What a server is shown, and by what it is known; all in PEM. */
export interface TlsOptions {
  /** Certificates to trust beside those that come with Node. */
  readonly ca?: string | Buffer;
  /** The client's certificate; with `key` or not at all. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface HttpClientOptions {
  /** Milliseconds for the connection alone, TLS and a proxy's tunnel included. */
  readonly connectTimeoutMs: number;
  /** An HTTP proxy; credentials in the URL are sent to it and never logged (default: none). */
  readonly proxy?: string | undefined;
  readonly tls?: TlsOptions | undefined;
}

export interface HttpRequest {
  /** Default `GET`. */
  readonly method?: 'GET' | 'POST' | undefined;
  /** Sent with POST, to the origin of `url` only. */
  readonly body?: string | Uint8Array | undefined;
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
   * Asks for `url`, following up to 5 redirects; resolves when the answer's headers are there. What a POST
   * becomes on a redirect is said in RFC 9110, 15.4: it stays one on 307 and 308, else it is a GET. The caller aborts
   * the request's signal when it is through with the answer, which frees the connection.
   * @throws Error the server cannot be reached, breaks HTTP, redirects in circles, or a POST to another origin.
   */
  open(httpRequest: HttpRequest): Promise<HttpAnswer>;
  close(): Promise<void>;
}

const REDIRECTS_MAX = 5;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Of them, those that keep a POST a POST. */
const KEEPING_STATUSES: ReadonlySet<number> = new Set([307, 308]);

/**
 * HTTP for streams that never end. Node's own fetch gives up on a body that is silent for 300 s, so this is
 * undici with its timeouts off: the caller has a better one, which also knows when nobody reads.
 * @throws IngestError `invalid-option`: the proxy's URL or something of `tls` cannot be used.
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const open = new Set<Dispatcher>();
  // Now, and not with the first request: whether proxy and certificates can be used.
  checkTls(options.tls ?? {});
  void createDispatcher(options).destroy();
  return {
    open(httpRequest) {
      // One for each: what hangs in one, such as a proxy that opens no tunnel, must not hold up the next request.
      const dispatcher = createDispatcher(options);
      open.add(dispatcher);
      const { signal } = httpRequest;
      const end = (): void => {
        open.delete(dispatcher);
        void dispatcher.destroy();
      };
      signal.addEventListener('abort', end, { once: true });
      // It was aborted while a token was asked for, say: nobody tells again.
      if (signal.aborted) end();
      return follow(dispatcher, httpRequest);
    },
    async close() {
      await Promise.all([...open].map((dispatcher) => dispatcher.destroy()));
    },
  };
}

function createDispatcher({ connectTimeoutMs, proxy, tls = {} }: HttpClientOptions): Dispatcher {
  const { ca, ...identity } = tls;
  // `ca` alone would take the place of all others.
  const trust = { timeout: connectTimeoutMs, ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) };
  const connect = { ...trust, ...identity };
  // A connection for each request: one that a server is about to close must not be used again.
  const limits = { pipelining: 0, headersTimeout: 0, bodyTimeout: 0 };
  if (proxy === undefined) return new Agent({ ...limits, connect });
  const url = checkHttpUrl(proxy, 'the proxy');
  const { authorization: token } = basicAuthorization(url);
  return new ProxyAgent({
    ...limits,
    uri: url.origin,
    ...(token === undefined ? {} : { token }),
    requestTls: connect,
    proxyTls: trust,
    // No tunnel to plain HTTP: many proxies allow one to port 443 only.
    proxyTunnel: false,
    // A tunnel is a part of the connection.
    clientFactory: (origin, poolOptions) => new Pool(origin, { ...poolOptions, headersTimeout: connectTimeoutMs }),
  });
}

function checkTls(tls: TlsOptions): void {
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw new IngestError('invalid-option', 'Cannot show a certificate: certificate and key are needed together');
  try {
    createSecureContext(tls);
  } catch (error) {
    const message = 'Cannot use these certificates or this key: not PEM, or not of each other';
    throw new IngestError('invalid-option', message, { cause: error });
  }
}

async function follow(
  dispatcher: Dispatcher,
  { url, headers, ownHeaders, signal, ...rest }: HttpRequest,
): Promise<HttpAnswer> {
  let target = url;
  let { method = 'GET', body } = rest;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const isOwn = target.origin === url.origin;
    if (!isOwn && body !== undefined) throw new Error('redirected to another origin, which must not get the body');
    const own = isOwn ? { ...basicAuthorization(url), ...ownHeaders } : {};
    const response = await refusable(
      request(target.origin + target.pathname + target.search, {
        dispatcher,
        method,
        body: body ?? null,
        headers: { ...headers, ...own },
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      }),
    );
    if (response === undefined) return PROXY_REFUSAL;
    const answer = toAnswer(response);
    const location = REDIRECT_STATUSES.has(answer.status) ? answer.header('location') : undefined;
    if (location === undefined) return answer;
    answer.discard();
    target = resolveRedirect(location, target);
    if (!KEEPING_STATUSES.has(answer.status)) [method, body] = ['GET', undefined];
  }
  throw new Error(`redirected more than ${REDIRECTS_MAX} times`);
}

/** What a proxy says that wants other credentials (RFC 9110, 15.5.8). */
const PROXY_REFUSAL: HttpAnswer = {
  status: 407,
  header: () => undefined,
  body: { async *[Symbol.asyncIterator]() {} },
  discard() {},
};

/** Undefined where a proxy wants other credentials, which undici makes an error that only its message tells. */
async function refusable(response: Promise<Dispatcher.ResponseData>): Promise<Dispatcher.ResponseData | undefined> {
  try {
    return await response;
  } catch (error) {
    if (/^Proxy (?:response \(407\)|Authentication Required)/.test(messageOf(error))) return undefined;
    throw error;
  }
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

function basicAuthorization({ username, password }: URL): { readonly authorization?: string } {
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
