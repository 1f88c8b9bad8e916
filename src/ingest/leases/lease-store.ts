import { connectRedis } from '../redis-client.js';
import type { RedisArgument, RedisClient } from '../redis-client.js';
import { BEAT, CLAIM, LEAVE, RELEASE, RENEW, SAVE } from './lua.js';
import type { WorkerLoad } from './share.js';

/** One claim of a pipeline. */
export interface Claim {
  readonly pipeline: string;
  /** Names this claim, and no other. */
  readonly holder: string;
  /** Of two claims of a pipeline the later has the higher one. */
  readonly token: number;
}

export type ClaimAnswer =
  | { readonly kind: 'granted'; readonly token: number; readonly checkpoint: string }
  | { readonly kind: 'taken'; readonly worker: string };

export interface LeaseStoreOptions {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any. Never logged. */
  readonly url: string;
  /** What all keys begin with. */
  readonly prefix: string;
  /** This process, for people; no space in it. */
  readonly worker: string;
  /** Milliseconds that a lease lasts if it is not renewed. */
  readonly ttlMs: number;
  /** Milliseconds for a command. */
  readonly timeoutMs: number;
}

/** The leases of all workers, as Redis keeps them. Every method throws where Redis does not answer: ask again later. */
export class LeaseStore {
  readonly #options: LeaseStoreOptions;
  #connecting: Promise<RedisClient> | undefined;

  constructor(options: LeaseStoreOptions) {
    this.#options = options;
  }

  /** Says that this worker lives and what it has; answers who lives, it among them. */
  async beat({ held, waiting }: Omit<WorkerLoad, 'worker'>): Promise<readonly WorkerLoad[]> {
    const { worker, ttlMs } = this.#options;
    const answer = await this.#run(BEAT, this.#workersKey, [worker, ttlMs, held, waiting]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script answers with nothing else
    return (answer as readonly string[]).map((text) => {
      const [ofHeld, ofWaiting, name = ''] = text.split(' ');
      return { worker: name, held: Number(ofHeld), waiting: Number(ofWaiting) };
    });
  }

  async leave(): Promise<void> {
    await this.#run(LEAVE, this.#workersKey, [this.#options.worker]);
  }

  async claim(pipeline: string, holder: string): Promise<ClaimAnswer> {
    const { worker, ttlMs } = this.#options;
    const answer = await this.#run(CLAIM, this.#keyOf(pipeline), [holder, worker, ttlMs]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script answers with nothing else
    const [token, text] = answer as readonly [number, string];
    return token === 0 ? { kind: 'taken', worker: text } : { kind: 'granted', token, checkpoint: text };
  }

  /** False where somebody else has claimed it since. */
  async renew(claim: Claim): Promise<boolean> {
    return (await this.#run(RENEW, this.#keyOf(claim.pipeline), this.#own(claim))) === 1;
  }

  /** False where somebody else has claimed it since: nothing was saved then. */
  async save(claim: Claim, checkpoint: string): Promise<boolean> {
    return (await this.#run(SAVE, this.#keyOf(claim.pipeline), [...this.#own(claim), checkpoint])) === 1;
  }

  async release({ pipeline, holder }: Claim): Promise<void> {
    await this.#run(RELEASE, this.#keyOf(pipeline), [holder]);
  }

  close(): void {
    void this.#connecting?.then(
      (client) => client.close(),
      () => undefined,
    );
    this.#connecting = undefined;
  }

  get #workersKey(): string {
    return `${this.#options.prefix}:workers`;
  }

  #keyOf(pipeline: string): string {
    return `${this.#options.prefix}:pipeline:${pipeline}`;
  }

  #own({ holder, token }: Claim): readonly RedisArgument[] {
    return [holder, token, this.#options.worker, this.#options.ttlMs];
  }

  async #run(script: string, key: string, args: readonly RedisArgument[]): Promise<unknown> {
    const client = await this.#client();
    return client.command('EVAL', script, 1, key, ...args);
  }

  /** A Redis that is not there when the worker starts is tried again by the next command. */
  #client(): Promise<RedisClient> {
    const { url, timeoutMs } = this.#options;
    this.#connecting ??= connectRedis({ url, timeoutMs }).catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }
}
