import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import { HubError } from '../errors.js';
import { Endpoint } from './endpoint.js';
import type { WebhookFailure, WebhookFault } from './endpoint.js';
import { questionBody } from './question.js';
import type { Question } from './question.js';
import { Turns } from './turns.js';
import { readVerdict } from './verdict.js';
import type { Verdict } from './verdict.js';
import { VerdictCache } from './verdict-cache.js';

/** Who is asked whether somebody may subscribe or publish, after the grants have allowed it. */
export interface AuthorizerOptions {
  readonly url: string;
  /** What questions are signed with (default: they are not signed). */
  readonly secret?: string | undefined;
  /** How long a verdict may take, waiting for a turn included (default 1,000 ms). */
  readonly timeoutMs?: number;
  /** What happens without a verdict (default `deny`). */
  readonly onFailure?: 'deny' | 'allow';
  /** How long a verdict holds for the same question (default 0: every question is asked). */
  readonly cacheMs?: number;
  /** Verdicts that are remembered (default 10,000); the oldest go first. */
  readonly cachedMax?: number;
  /** Questions at one time (default 64). */
  readonly concurrency?: number;
  /** Questions that may wait for their turn (default 10,000); over it there is no verdict. */
  readonly waitingMax?: number;
}

export interface AuthorizerContext {
  readonly clock?: Clock;
  readonly logger?: Logger | undefined;
}

/** Plain numbers, read when somebody scrapes. */
export interface AuthorizerCounters {
  allowed: number;
  denied: number;
  /** Verdicts that were remembered, and not asked for again. */
  cached: number;
  readonly failures: Map<WebhookFailure, number>;
}

const DEFAULTS = {
  timeoutMs: 1000,
  onFailure: 'deny',
  cacheMs: 0,
  cachedMax: 10_000,
  concurrency: 64,
  waitingMax: 10_000,
} as const;

/**
 * Asks another server whether a subscription or a publish may go on. It can only take away: grants were looked at
 * before. However slow it is, nobody waits longer than `timeoutMs`, and what waits is bounded.
 */
export class Authorizer {
  readonly counters: AuthorizerCounters = { allowed: 0, denied: 0, cached: 0, failures: new Map() };
  /** Hears how long each question took that was asked, in milliseconds. */
  onAnswered: ((tookMs: number) => void) | undefined;
  readonly #options: Required<Omit<AuthorizerOptions, 'url' | 'secret'>>;
  readonly #endpoint: Endpoint;
  readonly #turns: Turns;
  readonly #cache: VerdictCache;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  #isFailing = false;

  /** @throws TypeError where URL or secret cannot be used. */
  constructor({ url, secret, ...options }: AuthorizerOptions, { clock = systemClock, logger }: AuthorizerContext = {}) {
    this.#options = { ...DEFAULTS, ...options };
    this.#endpoint = new Endpoint({ url, secret, clock, logger });
    this.#turns = new Turns(this.#options.concurrency, this.#options.waitingMax);
    this.#cache = new VerdictCache({ ageMs: this.#options.cacheMs, countMax: this.#options.cachedMax, clock });
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Questions that wait for their turn. */
  get waiting(): number {
    return this.#turns.waiting;
  }

  /**
   * Resolves where it is allowed.
   * @throws HubError `denied-by-webhook`; without a verdict, unless that allows, `authorization-unavailable`.
   */
  async require(question: Question): Promise<void> {
    const known = this.#cache.find(question);
    if (known !== undefined) this.counters.cached += 1;
    const verdict = known ?? (await this.#ask(question));
    if ('failure' in verdict) return this.#withoutVerdict(question);
    if (known === undefined) this.#cache.add(question, verdict);
    if (verdict.isAllowed) {
      this.counters.allowed += 1;
      return;
    }
    this.counters.denied += 1;
    throw new HubError('denied-by-webhook', `Cannot ${question.action} here: ${verdict.reason ?? 'it is not allowed'}`);
  }

  /** Gives up what is under way. */
  close(): void {
    this.#endpoint.close();
  }

  async #ask(question: Question): Promise<Verdict | WebhookFault> {
    const { timeoutMs } = this.#options;
    const startedMs = this.#clock.now();
    const turn = await this.#turns.take((task) => this.#clock.after(timeoutMs, task));
    if (turn === 'overloaded') return this.#failed({ failure: turn });
    const verdict = turn === 'taken' ? await this.#askInTurn(question, startedMs + timeoutMs) : { failure: turn };
    this.onAnswered?.(this.#clock.now() - startedMs);
    return 'failure' in verdict ? this.#failed(verdict) : this.#answered(verdict);
  }

  async #askInTurn(question: Question, deadlineMs: number): Promise<Verdict | WebhookFault> {
    try {
      const verdict = await this.#askOnce(question, deadlineMs);
      // A connection that was kept open may have been closed just then, and no question does harm when asked twice.
      const isBroken = 'failure' in verdict && verdict.failure === 'unreachable';
      return isBroken ? await this.#askOnce(question, deadlineMs) : verdict;
    } finally {
      this.#turns.release();
    }
  }

  async #askOnce(question: Question, deadlineMs: number): Promise<Verdict | WebhookFault> {
    const timeoutMs = deadlineMs - this.#clock.now();
    if (timeoutMs <= 0) return { failure: 'timeout' };
    const answer = await this.#endpoint.post({
      id: crypto.randomUUID(),
      contentType: 'application/json',
      body: questionBody(question),
      timeoutMs,
    });
    return 'failure' in answer ? answer : readVerdict(answer);
  }

  #withoutVerdict({ action }: Question): void {
    if (this.#options.onFailure === 'allow') return;
    throw new HubError('authorization-unavailable', `Cannot ${action} now: nobody could say whether it is allowed`);
  }

  #answered(verdict: Verdict): Verdict {
    if (this.#isFailing) this.#logger?.info({ url: this.#endpoint.origin }, 'Verdicts come again');
    this.#isFailing = false;
    return verdict;
  }

  #failed(fault: WebhookFault): WebhookFault {
    const { failures } = this.counters;
    failures.set(fault.failure, (failures.get(fault.failure) ?? 0) + 1);
    if (this.#isFailing || fault.failure === 'closed') return fault;
    this.#isFailing = true;
    const { onFailure } = this.#options;
    this.#logger?.warn({ url: this.#endpoint.origin, onFailure, ...fault }, 'Cannot get verdicts on who may do what');
    return fault;
  }
}
