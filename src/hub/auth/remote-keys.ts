import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import { HubError } from '../errors.js';
import type { TokenAlgorithm, VerifyKey } from './jose.js';
import { readJwkSet } from './key-set.js';
import type { KeySet, KeySource } from './key-set.js';
import { unknownKey } from './static-keys.js';

/** How a server of keys is asked; times in ms. */
export interface RemoteKeyTimes {
  /** After so long keys are asked for again (default 600,000). */
  readonly maxAgeMs: number;
  /** After so long without an answer, keys are not used any more (default 86,400,000). */
  readonly staleMs: number;
  /** At least so long between two requests (default 10,000). */
  readonly cooldownMs: number;
  /** How long an answer may take, its body included (default 5,000). */
  readonly timeoutMs: number;
}

export const DEFAULT_KEY_TIMES: RemoteKeyTimes = {
  maxAgeMs: 600_000,
  staleMs: 86_400_000,
  cooldownMs: 10_000,
  timeoutMs: 5000,
};

export interface RemoteKeysOptions {
  readonly url: string;
  readonly algorithm: TokenAlgorithm;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  readonly times?: Partial<RemoteKeyTimes>;
}

/** Bytes of an answer; then it is given up. */
const ANSWER_BYTES_MAX = 256 * 1024;

/**
 * The keys behind a JWKS URL. They are asked for once for all who wait, again when they are old or a token names one that
 * is not there, and never more often than the cooldown: tokens with invented keys cannot make the hub flood that server.
 * While it is out of order, the keys that it gave last serve on.
 */
export class RemoteKeys implements KeySource {
  readonly #options: RemoteKeysOptions;
  readonly #times: RemoteKeyTimes;
  readonly #closing = new AbortController();
  #set: KeySet | undefined;
  #text = '';
  #fetchedAtMs = Number.NEGATIVE_INFINITY;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #asking: Promise<void> | undefined;
  #generation = 0;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
    this.#times = { ...DEFAULT_KEY_TIMES, ...options.times };
  }

  get generation(): number {
    return this.#generation;
  }

  async find(kid: string | undefined): Promise<VerifyKey> {
    // A server that hangs must not hold up everybody for as long as there are keys that it gave before.
    if (this.#isFailing && this.#usable !== undefined) this.touch();
    else if (this.#ageMs >= this.#times.maxAgeMs) await this.#refresh();
    const key = this.#usable?.find(kid);
    if (key !== undefined) return key;
    await this.#refresh();
    const found = this.#usable?.find(kid);
    if (found !== undefined) return found;
    // A key that came up during an outage may well be good: the caller should come again.
    if (this.#usable === undefined || this.#isFailing) throw unavailable();
    throw unknownKey();
  }

  touch(): void {
    if (this.#ageMs >= this.#times.maxAgeMs) void this.#refresh();
  }

  close(): void {
    this.#closing.abort();
  }

  get #ageMs(): number {
    return this.#options.clock.now() - this.#fetchedAtMs;
  }

  get #usable(): KeySet | undefined {
    return this.#ageMs < this.#times.staleMs ? this.#set : undefined;
  }

  /** Asks unless that was done a moment ago; never rejects. */
  #refresh(): Promise<void> {
    if (this.#asking !== undefined) return this.#asking;
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#askedAtMs < this.#times.cooldownMs || this.#closing.signal.aborted) return Promise.resolve();
    this.#askedAtMs = nowMs;
    this.#asking = this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<void> {
    try {
      const text = await this.#download();
      const set = await readJwkSet(text, this.#options.algorithm);
      this.#fetchedAtMs = this.#options.clock.now();
      this.#isFailing = false;
      if (text === this.#text) return;
      this.#set = set;
      this.#text = text;
      this.#generation += 1;
    } catch (error) {
      this.#isFailing = true;
      if (this.#closing.signal.aborted) return;
      const { origin, pathname } = new URL(this.#options.url);
      const reason = reasonOf(error);
      this.#options.logger?.warn({ url: `${origin}${pathname}`, reason }, 'Cannot get the keys of tokens');
    }
  }

  async #download(): Promise<string> {
    const timeout = new AbortController();
    const cancel = this.#options.clock.after(this.#times.timeoutMs, () =>
      timeout.abort(new Error(`no answer within ${this.#times.timeoutMs} ms`)),
    );
    try {
      const response = await fetch(this.#options.url, {
        headers: { accept: 'application/jwk-set+json, application/json' },
        // A server that is trusted must not be able to point at one that is not.
        redirect: 'error',
        signal: AbortSignal.any([timeout.signal, this.#closing.signal]),
      });
      if (response.status === 200) return await readBounded(response);
      await response.body?.cancel();
      throw new Error(`status ${response.status}`);
    } finally {
      cancel();
    }
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`over ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** `fetch` says why only in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function unavailable(): HubError {
  return new HubError('keys-unavailable', 'Cannot check the token: the keys are not there');
}
