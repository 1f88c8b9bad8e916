import type { Clock } from '../../base/index.js';
import { readWebhookSecret, signatureHeaders, WEBHOOK_SECRET_BYTES_ADVISED } from '../../runtime/index.js';
import type { Logger, WebhookKey } from '../../runtime/index.js';

/** Why a request brought no answer that is of use. */
export type WebhookFailure =
  /** Nothing, or not all of it, came in time. */
  | 'timeout'
  /** No connection, or it broke. */
  | 'unreachable'
  /** It points somewhere else; nobody goes there. */
  | 'redirected'
  /** The status says that it failed. */
  | 'status'
  | 'answer-too-large'
  /** It cannot be read as what was asked for. */
  | 'answer-unreadable'
  /** It was not sent: too many wait already. */
  | 'overloaded'
  /** It was not sent, or was given up: the hub stops. */
  | 'closed';

/** What a failure may say in a log: nothing that the other side wrote, and no secret. */
export interface WebhookFault {
  readonly failure: WebhookFailure;
  /** The status, or the system's code, such as `ECONNREFUSED`. */
  readonly detail?: number | string;
}

/** What came back. */
export interface WebhookAnswer {
  readonly status: number;
  /** `Retry-After` in ms, where it is a number of seconds. */
  readonly retryAfterMs: number;
  /** The body as text, or why it is not there. */
  readonly body: string | WebhookFault;
}

export interface EndpointOptions {
  readonly url: string;
  /** Without one, requests are not signed. */
  readonly secret?: string | undefined;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
}

/** One request. */
export interface WebhookRequest {
  readonly id: string;
  readonly contentType: string;
  readonly body: string;
  /** How long the answer may take, its body included. */
  readonly timeoutMs: number;
}

/** Bytes of an answer; then it is given up. */
const ANSWER_BYTES_MAX = 16 * 1024;
const RETRY_AFTER = /^\d{1,6}$/;

/** Somebody else's URL that is posted to: signed, bounded, and without following where it points. */
export class Endpoint {
  /** Scheme, host and port; the rest of the URL may be a secret, and is not for logs. */
  readonly origin: string;
  readonly #url: URL;
  readonly #key: WebhookKey | undefined;
  readonly #clock: Clock;
  readonly #closing = new AbortController();

  /** @throws TypeError where URL or secret cannot be used; the message shows nothing of either. */
  constructor({ url, secret, clock, logger }: EndpointOptions) {
    this.#url = readWebhookUrl(url);
    this.origin = this.#url.origin;
    this.#key = secret === undefined ? undefined : readWebhookSecret(secret);
    this.#clock = clock;
    const bytes = this.#key?.symmetricKeySize ?? WEBHOOK_SECRET_BYTES_ADVISED;
    if (bytes < WEBHOOK_SECRET_BYTES_ADVISED)
      logger?.warn({ bytes }, `A secret of webhooks is shorter than ${WEBHOOK_SECRET_BYTES_ADVISED} bytes`);
  }

  /** Sends one request; what goes wrong is a value. */
  async post({ id, contentType, body, timeoutMs }: WebhookRequest): Promise<WebhookAnswer | WebhookFault> {
    if (this.#closing.signal.aborted) return { failure: 'closed' };
    const timeout = new AbortController();
    const cancel = this.#clock.after(timeoutMs, () => timeout.abort());
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: {
          'content-type': contentType,
          accept: 'application/json',
          // What is small need not be packed, and what is packed may not be small.
          'accept-encoding': 'identity',
          'user-agent': 'tidegate',
          ...signatureHeaders({ id, nowMs: this.#clock.now(), body }, this.#key),
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([timeout.signal, this.#closing.signal]),
      });
      const retryAfter = response.headers.get('retry-after') ?? '';
      return {
        status: response.status,
        retryAfterMs: RETRY_AFTER.test(retryAfter) ? Number(retryAfter) * 1000 : 0,
        // The status stands, whatever becomes of the body.
        body: await readBounded(response).catch((error: unknown) => this.#faultOf(error, timeout.signal)),
      };
    } catch (error) {
      return this.#faultOf(error, timeout.signal);
    } finally {
      cancel();
    }
  }

  /** Gives up what is under way. */
  close(): void {
    this.#closing.abort();
  }

  #faultOf(error: unknown, timeout: AbortSignal): WebhookFault {
    if (this.#closing.signal.aborted) return { failure: 'closed' };
    if (timeout.aborted) return { failure: 'timeout' };
    // `fetch` says why only in the cause, whose message may quote what is secret; its code does not.
    const cause = error instanceof Error ? error.cause : undefined;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    return { failure: 'unreachable', ...(code === undefined ? {} : { detail: code }) };
  }
}

/** @throws TypeError where it is no URL of http or https, or holds a user or a password; the message does not show it. */
function readWebhookUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TypeError('Cannot use the URL of a webhook: it must be an http:// or https:// URL');
  if (url.username !== '' || url.password !== '')
    throw new TypeError(
      'Cannot use the URL of a webhook: it holds a user or a password, and requests are signed instead',
    );
  return url;
}

async function readBounded(response: Response): Promise<string | WebhookFault> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) return { failure: 'answer-too-large' };
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
