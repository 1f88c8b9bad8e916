import { mergeHeaders } from './address.js';
import { ClientError } from './errors.js';
import { readRefusal } from './refusal.js';

export interface ConnectOptions {
  readonly url: string;
  /** Sets of headers; of two with the same name the later one counts. */
  readonly headers: readonly Readonly<Record<string, string>>[];
  /** Sent as Last-Event-ID unless empty. */
  readonly lastEventId: string;
  readonly signal: AbortSignal;
  readonly fetch: typeof globalThis.fetch;
}

/**
 * Opens one SSE response; undefined where the server says 204, "do not come back".
 * @throws ClientError the server refused (`code` from its problem+json), is no SSE endpoint
 * (`not-an-event-stream`) or could not be reached (`unreachable`, retryable).
 */
export async function connect(options: ConnectOptions): Promise<Response | undefined> {
  // A browser's fetch refuses to be called as a method of anything but its window.
  const { url, headers, lastEventId, signal, fetch } = options;
  const init = {
    headers: mergeHeaders(
      { Accept: 'text/event-stream' },
      ...headers,
      lastEventId === '' ? {} : { 'Last-Event-ID': toHeaderValue(lastEventId) },
    ),
    // Browsers let one of two equal requests wait for the other's cache entry.
    cache: 'no-store',
    signal,
  } as const;
  const response = await fetch(url, init).catch((cause: unknown) => {
    throw toUnreachable(cause, 'Cannot reach the server');
  });
  if (response.status === 204) return undefined;
  if (response.status !== 200) throw await readRefusal(response, 'Cannot subscribe');
  const contentType = response.headers.get('content-type') ?? 'none';
  if (/^text\/event-stream\s*(;|$)/i.test(contentType)) return response;
  await response.body?.cancel();
  throw new ClientError({
    code: 'not-an-event-stream',
    message: `Cannot subscribe: the server answered with content type ${JSON.stringify(contentType)}, not text/event-stream`,
    status: 200,
    retryable: false,
  });
}

/** The failure of a network call, with what lay beneath it said: fetch alone says "fetch failed". */
export function toUnreachable(cause: unknown, what: string): ClientError {
  const beneath = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const code: unknown = beneath instanceof Error && 'code' in beneath ? beneath.code : undefined;
  const reason = beneath instanceof Error && beneath.message !== '' ? beneath.message : String(code ?? beneath);
  // The ports of the fetch standard's block list: no attempt was made, and none ever will be.
  if (reason === 'bad port')
    return new ClientError({ code: 'invalid-url', message: `${what}: fetch refuses this port`, retryable: false });
  return new ClientError({ code: 'unreachable', message: `${what}: ${reason}`, retryable: true, cause });
}

/** Header values are bytes: an id beyond Latin-1 goes out as its UTF-8, as browsers send it. */
function toHeaderValue(id: string): string {
  return Array.from(new TextEncoder().encode(id), (byte) => String.fromCharCode(byte)).join('');
}
