import { sleep, systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { isCursorLike } from '../../protocol/index.js';
import { hasEnded } from '../connection.js';
import type { Delivery } from '../delivery.js';
import { advance } from '../reader.js';
import type { Subscription } from '../reader.js';
import { follow } from '../subscribe.js';
import type { SubscribeOptions } from '../subscribe.js';
import type { TabChannel, TabEnvironment } from './environment.js';
import { Inbox } from './inbox.js';
import { isSamePlace, isTornAfter } from './message.js';
import type { FlowState, Handed, Place, TabMessage } from './message.js';

/** A tab that hears of no leader for so long connects by itself. */
const JOIN_TIMEOUT_MS = 3000;
/** A tab on its own connection asks so often where the shared flow is. */
const ASK_AGAIN_MS = 2000;
/** A leader whose own loop takes nothing for so long leaves the lead to another tab. */
const LEADER_STALL_MS = 5000;
/** Deliveries of the shared flow that a tab on its own connection keeps, to find its place among them. */
const RECENT_MAX = 1024;
/** Terms that a tab remembers as over: what is still under way from them is of no use. */
const OVER_TERMS_MAX = 16;

/** Deliveries that a leader holds back until they are whole. */
const HELD_MAX = 256;

/** A place that the shared flow has reached, by a delivery or because a leader says so. */
interface Reached {
  readonly state: FlowState;
  readonly delivery?: Delivery;
  readonly after?: Place | undefined;
}

/**
 * - `joining`: nothing delivered yet, no leader heard of.
 * - `leading`: holds the lock and the connection, and hands everything on.
 * - `following`: takes what the leader hands on, without a hole.
 * - `alone`: on a connection of its own, until it is at a place that the shared flow has too.
 * - `full`: its loop is behind; it follows nothing until that has caught up.
 */
type Mode = 'joining' | 'leading' | 'following' | 'alone' | 'full';

export interface TabOptions {
  /** What all tabs of the group have in common. */
  readonly name: string;
  readonly options: SubscribeOptions;
  readonly subscription: Subscription;
  readonly environment: TabEnvironment;
}

/**
 * One tab of a group. It is always right by itself: it knows what it has delivered, and can go on from there on a
 * connection of its own. It gives that up only where the shared flow has the very same place.
 */
export class Tab {
  readonly inbox = new Inbox();
  readonly #options: SubscribeOptions;
  readonly #subscription: Subscription;
  readonly #environment: TabEnvironment;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #channel: TabChannel;
  readonly #closing = new AbortController();
  #mode: Mode = 'joining';
  #isTorn = false;
  #isLive = false;
  /** The last delivery of the shared flow that this tab made or took. */
  #place: Place | undefined;
  readonly #overTerms: string[] = [];
  /** The shared flow of late, while this tab is alone; without a hole. */
  #recent: Reached[] = [];
  /** Deliveries that a leader has yet to hand on: the cursor that makes them whole has not come. */
  #held: Handed[] = [];
  #connection: AbortController | undefined;
  #resign: (() => void) | undefined;
  #retryNow: (() => void) | undefined;

  constructor({ name, options, subscription, environment }: TabOptions) {
    this.#name = name;
    this.#options = options;
    this.#subscription = subscription;
    this.#environment = environment;
    this.#clock = options.clock ?? systemClock;
    this.#channel = environment.openChannel(name);
    this.#channel.addEventListener('message', ({ data }) => this.#hear(data as TabMessage));
    options.signal?.addEventListener('abort', this.#stop);
    this.#say({ type: 'hello' });
    void this.#queueForLead();
    void this.#tireOfJoining();
    if (options.signal?.aborted === true) this.#stop();
  }

  /** Leaves the group; what waits is dropped. */
  close(): void {
    this.#finish();
    this.inbox.close();
  }

  readonly #stop = (): void => this.close();

  /** Leaves the group; what waits is still delivered. */
  #finish(error?: unknown): void {
    if (this.#closing.signal.aborted) return;
    this.#options.signal?.removeEventListener('abort', this.#stop);
    this.#closing.abort();
    this.#connection?.abort();
    this.#channel.close();
    this.#resign?.();
    this.inbox.end(error);
  }

  async #tireOfJoining(): Promise<void> {
    await sleep(JOIN_TIMEOUT_MS, this.#closing.signal, this.#clock);
    if (this.#mode === 'joining' && !this.#closing.signal.aborted) this.#goAlone();
  }

  async #queueForLead(): Promise<void> {
    const { signal } = this.#closing;
    const lead = async (): Promise<void> => {
      if (signal.aborted) return;
      const resigned = new Promise<void>((resolve) => (this.#resign = resolve));
      this.#lead();
      await resigned;
    };
    try {
      await this.#environment.locks.request(this.#name, { signal }, lead);
    } catch (error) {
      if (!signal.aborted) this.#finish(error);
    }
  }

  #lead(): void {
    const after = this.#mode === 'following' ? this.#place : undefined;
    const isConnected = this.#mode === 'alone';
    this.#mode = 'leading';
    this.#recent = [];
    this.#held = [];
    this.#place = { term: globalThis.crypto.randomUUID(), at: 0 };
    this.#say({ type: 'state', state: this.#state(this.#place), after });
    if (!isConnected) void this.#connect();
  }

  #goAlone(): void {
    this.#mode = 'alone';
    this.#place = undefined;
    this.#recent = [];
    void this.#connect();
    void this.#askUntilMet();
  }

  /** A flow that has gone quiet would not tell a lonely tab where it is. */
  async #askUntilMet(): Promise<void> {
    const connection = this.#connection;
    while (connection !== undefined && connection === this.#connection && this.#mode === 'alone') {
      this.#say({ type: 'hello' });
      await sleep(ASK_AGAIN_MS, connection.signal, this.#clock);
      if (connection.signal.aborted) return;
    }
  }

  /** Reads a connection of its own from where this tab is, for as long as it leads or is alone. */
  async #connect(): Promise<void> {
    const connection = new AbortController();
    const { signal } = connection;
    this.#connection = connection;
    try {
      for await (const delivery of follow({ ...this.#options, signal }, this.#subscription)) {
        this.#take(delivery);
        if (!signal.aborted && this.inbox.isFull) await this.#untilDrained(signal);
        // Another step would move the subscription past a delivery that nobody gets.
        if (signal.aborted) return;
      }
      if (!signal.aborted) this.#finish();
    } catch (error) {
      if (!signal.aborted) this.#finish(error);
    }
  }

  async #untilDrained(signal: AbortSignal): Promise<void> {
    const drained = this.inbox.drained();
    if (this.#mode !== 'leading') return drained;
    const wait = new AbortController();
    await Promise.race([drained, sleep(LEADER_STALL_MS, wait.signal, this.#clock)]);
    wait.abort();
    if (!this.inbox.isFull || signal.aborted) return undefined;
    this.#connection?.abort();
    this.#resign?.();
    await this.#waitForLoop();
    void this.#queueForLead();
    return undefined;
  }

  /** Follows nothing until the loop has taken everything, then goes on from there. */
  async #waitForLoop(): Promise<void> {
    this.#mode = 'full';
    await this.inbox.drained();
    if (this.#mode === 'full' && !this.#closing.signal.aborted) this.#goAlone();
  }

  /** What this tab's own connection delivered. */
  #take(delivery: Delivery): void {
    this.#deliver(delivery);
    if (this.#mode === 'leading' && this.#place !== undefined) {
      this.#place = { term: this.#place.term, at: this.#place.at + 1 };
      this.#held.push({ delivery: toCloneable(delivery), state: this.#state(this.#place) });
      // In one message with its cursor, or a tab that takes over in between would get the event again.
      if (!this.#isTorn || delivery.kind !== 'event' || this.#held.length >= HELD_MAX) this.#handOn();
    } else if (this.#mode === 'alone') this.#merge();
  }

  #handOn(): void {
    const handed = this.#held;
    this.#held = [];
    if (handed.length > 0) this.#say({ type: 'deliveries', handed });
  }

  #deliver(delivery: Delivery): void {
    this.#isTorn = isTornAfter(delivery, this.#subscription.resumeId, this.#isTorn);
    if (delivery.kind === 'live') this.#isLive = true;
    if (delivery.kind === 'status') {
      this.#isLive = false;
      this.#retryNow = delivery.retryNow;
    }
    this.inbox.add(delivery);
  }

  #hear(message: TabMessage): void {
    if (this.#closing.signal.aborted) return;
    if (message.type === 'hello' || message.type === 'retry') {
      if (this.#mode !== 'leading' || this.#place === undefined) return;
      if (message.type === 'retry') return this.#retryNow?.();
      this.#handOn();
      return this.#say({ type: 'state', state: this.#state(this.#place) });
    }
    for (const reached of message.type === 'state' ? [message] : message.handed) this.#reach(reached);
    return undefined;
  }

  #reach(reached: Reached): void {
    if (this.#mode === 'joining') this.#join(reached.state);
    else if (this.#mode === 'following') this.#followOn(reached);
    else if (this.#mode === 'alone') this.#remember(reached);
  }

  /** A tab that asked for nothing earlier begins where the live flow is; any other brings itself there. */
  #join(state: FlowState): void {
    const { since, last } = this.#options;
    if (since !== undefined || last !== undefined || this.#subscription.resumeId !== '') return this.#goAlone();
    if (!state.isLive || !state.isWhole) return undefined;
    this.#mode = 'following';
    this.#place = state.place;
    const { channels, resumeId } = state;
    const open: Delivery = { kind: 'open', channels, cursor: resumeId };
    advance(this.#subscription, { delivery: open, resumeId });
    for (const delivery of [{ kind: 'status', state: 'connected' }, open, { kind: 'live' }] as const)
      this.#deliver(delivery);
    return undefined;
  }

  #followOn({ state, delivery, after }: Reached): void {
    const { place } = state;
    if (delivery !== undefined && isNext(this.#place, place)) return this.#followTo(state, delivery);
    if (isSamePlace(after, this.#place)) {
      this.#forget(this.#place);
      this.#place = place;
      return undefined;
    }
    const isKnown = this.#overTerms.includes(place.term) || isUpTo(place, this.#place);
    // It missed something: frozen by the browser, or nearer to the last leader than the new one was.
    if (!isKnown) this.#goAlone();
    return undefined;
  }

  #followTo({ place, resumeId }: FlowState, delivery: Delivery): void {
    if (this.inbox.isFull) return void this.#waitForLoop();
    this.#place = place;
    if (advance(this.#subscription, { delivery, resumeId })) this.#deliver(this.#withRetry(delivery));
    if (hasEnded(this.#subscription)) this.#finish();
  }

  #remember(reached: Reached): void {
    const { place } = reached.state;
    if (this.#overTerms.includes(place.term)) return;
    const last = this.#recent.at(-1)?.state.place;
    if (isNext(last, place)) this.#recent.push(reached);
    else if (!isSamePlace(last, place)) this.#recent = [reached];
    if (this.#recent.length > RECENT_MAX) this.#recent.shift();
    this.#merge();
  }

  /** Gives up its own connection where the shared flow has the place that it has reached. */
  #merge(): void {
    const { resumeId } = this.#subscription;
    if (this.#isTorn || !isCursorLike(resumeId)) return;
    const at = this.#recent.findLastIndex(({ state }) => state.isWhole && state.resumeId === resumeId);
    const met = this.#recent[at];
    if (met === undefined) return;
    const rest = this.#recent.slice(at + 1);
    this.#connection?.abort();
    this.#mode = 'following';
    this.#place = met.state.place;
    this.#recent = [];
    if (met.state.isLive && !this.#isLive) this.#deliver({ kind: 'live' });
    for (const { state, delivery } of rest) {
      if (this.#mode !== 'following' || delivery === undefined) return;
      this.#followTo(state, delivery);
    }
  }

  #forget(place: Place | undefined): void {
    if (place !== undefined) this.#overTerms.push(place.term);
    if (this.#overTerms.length > OVER_TERMS_MAX) this.#overTerms.shift();
  }

  #state(place: Place): FlowState {
    const { resumeId, channels } = this.#subscription;
    return { place, resumeId, isWhole: !this.#isTorn && isCursorLike(resumeId), isLive: this.#isLive, channels };
  }

  #withRetry(delivery: Delivery): Delivery {
    if (delivery.kind !== 'status' || delivery.state !== 'reconnecting') return delivery;
    return { ...delivery, retryNow: () => this.#say({ type: 'retry' }) };
  }

  #say(message: TabMessage): void {
    if (this.#closing.signal.aborted) return;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    this.#channel.postMessage(message);
  }
}

/** Functions cannot leave the tab. */
function toCloneable(delivery: Delivery): Delivery {
  if (delivery.kind !== 'status') return delivery;
  const { retryNow: _, ...rest } = delivery;
  return rest;
}

function isNext(last: Place | undefined, place: Place): boolean {
  return last !== undefined && last.term === place.term && place.at === last.at + 1;
}

function isUpTo(place: Place, last: Place | undefined): boolean {
  return last !== undefined && place.term === last.term && place.at <= last.at;
}
