import { sleep } from '../base/index.js';
import type { Backoff, Clock } from '../base/index.js';
import { checkHeaders } from './address.js';
import { ClientError } from './errors.js';

/**
 * A token, sent as `Authorization: Bearer`, or a callback that gets one. The callback is asked again when the hub
 * refuses a token (401, or a code that begins with `token-`, such as `token-expired`).
 */
export type Token = string | (() => string | Promise<string>);

export interface TokenKeeper {
  /**
   * The header to send; asks the callback where no token is kept.
   * @throws ClientError `no-token`: the callback failed, or took over 30 s (retryable), or gave none (not);
   * `invalid-header`: the token cannot be sent. None of them repeats it.
   */
  headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Notes that the hub took the token: refused later, it has expired and was not bad. */
  accept(): void;
  /** Milliseconds to wait before another token is asked for after `refusal`; undefined where none would help. */
  delayAfter(refusal: ClientError): number | undefined;
}

export interface TokenKeeperOptions {
  readonly token: Token | undefined;
  readonly clock: Clock;
  /** Delays between tokens that are refused. */
  readonly backoff: Backoff;
}

/** A callback that takes longer is given up. */
const TOKEN_TIMEOUT_MS = 30_000;
/** A token that was refused sooner than this after it was made, and never taken, did not expire: it is bad. */
const GOOD_AFTER_MS = 10_000;
/** One that was taken has expired, unless it was sooner than this: who takes and refuses in turn is not asked without end. */
const TAKEN_GOOD_AFTER_MS = 1000;
/** So many bad tokens in a row, and the refusal is final. */
const BAD_TOKENS_MAX = 5;

export function createTokenKeeper({ token, clock, backoff }: TokenKeeperOptions): TokenKeeper {
  let kept: string | undefined;
  let goodAtMs = 0;
  return {
    async headers(signal) {
      if (token === undefined) return {};
      if (kept === undefined) {
        kept = checked(typeof token === 'string' ? token : await ask(token, signal, clock));
        goodAtMs = clock.now() + GOOD_AFTER_MS;
      }
      return { Authorization: `Bearer ${kept}` };
    },
    accept() {
      goodAtMs = Math.min(goodAtMs, clock.now() + TAKEN_GOOD_AFTER_MS);
    },
    delayAfter(refusal) {
      const isOfToken = refusal.status === 401 || refusal.code.startsWith('token-');
      if (typeof token !== 'function' || !isOfToken) return undefined;
      kept = undefined;
      if (clock.now() < goodAtMs) return backoff.attempts < BAD_TOKENS_MAX - 1 ? backoff.nextMs() : undefined;
      backoff.reset();
      return 0;
    },
  };
}

function checked(token: string): string {
  if (token === '')
    throw new ClientError({ code: 'no-token', message: 'Cannot send an empty token', retryable: false });
  checkHeaders({ Authorization: `Bearer ${token}` });
  return token;
}

async function ask(callback: () => string | Promise<string>, signal: AbortSignal, clock: Clock): Promise<string> {
  let cause: unknown;
  try {
    // The wait ends with the connection, whose signal this is.
    const token = await Promise.race([callback(), sleep(TOKEN_TIMEOUT_MS, signal, clock)]);
    if (token !== undefined) return token;
  } catch (error) {
    if (error instanceof ClientError) throw error;
    cause = error;
  }
  // What the callback threw may hold a secret, so its words are not repeated.
  throw new ClientError({ code: 'no-token', message: 'Cannot get a token', retryable: true, cause });
}
