import type { Channel } from '../../channel.js';
import { HubError } from '../../errors.js';
import { frameOf } from '../../frame.js';
import type { ChannelStore, Life } from '../../store.js';
import { decodeHeader, decodeMessage, decodeRecord } from './codec.js';
import type { ChannelHeader, PlacedEvent, PlacedMessage } from './codec.js';
import { HELD_BYTES_MAX, READ_BYTES_MAX, READ_CHANNELS_MAX } from './limits.js';
import { bytesOf, listOf, numberOf } from './replies.js';
import type { Reply } from './replies.js';

export interface FollowerOptions {
  readonly store: ChannelStore;
  /** How long an ended channel keeps its name. */
  readonly endedAgeMs: number;
  /** Runs the reading script. */
  readonly read: (args: readonly (string | number)[]) => Promise<Reply>;
  /** A message is missing: what was missed must be read, by {@link Follower.catchUp}. */
  readonly onHole: () => void;
}

/** By so much the clocks of a node and of Redis may be apart. */
const CLOCKS_MS = 1000;

/** A channel that connections here have. */
interface Followed {
  followers: number;
  /** Its history is in the store and is kept up. */
  isLoaded: boolean;
  /** Its history is on its way; shared by all who wait for it. */
  loading: Promise<void> | undefined;
  /** What was placed since its loading began. */
  held: PlacedEvent[];
  heldBytes: number;
  /** What was held is not whole any more. */
  isStale: boolean;
}

/** A channel as Redis has it, from some offset on. */
interface Loaded {
  readonly isThere: boolean;
  readonly header: ChannelHeader;
  readonly events: readonly PlacedEvent[];
}

interface Waiting {
  readonly offset: number;
  readonly resolve: () => void;
}

/**
 * Fills a node's store. What holds at every moment: each loaded channel has exactly what was placed up to the store's
 * head, and nothing behind it. So events of several channels are never out of order, and a cursor never skips one.
 */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #changed = new Set<Channel>();
  #waiting: Waiting[] = [];
  /** Messages that come while what was missed is read; undefined while none is. */
  #heldMessages: PlacedMessage[] | undefined = [];
  #heldBytes = 0;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  follow(names: readonly string[]): void {
    for (const name of names) {
      const found = this.#followed.get(name);
      if (found !== undefined) found.followers += 1;
      else
        this.#followed.set(name, {
          followers: 1,
          isLoaded: false,
          loading: undefined,
          held: [],
          heldBytes: 0,
          isStale: false,
        });
    }
  }

  unfollow(names: readonly string[]): void {
    for (const name of names) {
      const followed = this.#followed.get(name);
      if (followed === undefined) continue;
      followed.followers -= 1;
      if (followed.followers > 0) continue;
      this.#followed.delete(name);
      this.#options.store.drop(name);
    }
  }

  /** Resolves with the channels, which must be followed, whole up to `head` at least. */
  async load(names: readonly string[], head: number): Promise<readonly Channel[]> {
    for (const name of names) this.#forgetOutlived(name);
    await Promise.all(names.map((name) => this.#loaded(name)));
    await this.reached(head);
    return names.map((name) => {
      const channel = this.#options.store.channels.get(name);
      if (channel === undefined) throw new HubError('internal', `Channel ${name} was not loaded`);
      return channel;
    });
  }

  /** Resolves when everything up to `offset` has come. */
  reached(offset: number): Promise<void> {
    if (this.#options.store.headOffset >= offset) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ offset, resolve }));
  }

  take(bytes: Buffer): void {
    const message = decodeMessage(bytes);
    if (this.#heldMessages === undefined) {
      this.#apply(message);
      this.#settle();
      return;
    }
    this.#heldBytes += bytes.length;
    this.#heldMessages.push(message);
    // What is missing by now is read like the rest.
    if (this.#heldBytes > HELD_BYTES_MAX) this.hold();
  }

  /** From here on messages wait until {@link catchUp} is through. */
  hold(): void {
    this.#heldMessages = [];
    this.#heldBytes = 0;
  }

  /** Another life has begun behind `head`. */
  beginLife(life: Life, head: number): void {
    this.#options.store.beginLife(life, head);
    for (const followed of this.#followed.values()) this.#spoil(followed);
  }

  /** Reads what was placed up to `head` and did not come as messages, then takes up those that were held. */
  async catchUp(head: number): Promise<void> {
    const { store } = this.#options;
    if (head > store.headOffset) {
      const names = [...this.#followed].filter(([, { isLoaded }]) => isLoaded).map(([name]) => name);
      for (const followed of this.#followed.values()) if (!followed.isLoaded) this.#spoil(followed);
      const missed = await this.#readAll(names, head);
      this.#applyMissed(missed, head);
    }
    const held = this.#heldMessages ?? [];
    this.#heldMessages = undefined;
    for (const message of held) {
      this.#apply(message);
      if (this.#heldMessages !== undefined) break;
    }
    this.#settle();
  }

  /** Puts a channel as Redis has it in another store; undefined where there is none. */
  async readInto(store: ChannelStore, name: string): Promise<Channel | undefined> {
    const loaded = await this.#read(name, 0);
    return loaded.isThere ? appendAll(store, name, loaded) : undefined;
  }

  /** What has ended so long ago that its name may be of another channel is read anew for who comes now. */
  #forgetOutlived(name: string): void {
    const { store, endedAgeMs } = this.#options;
    const followed = this.#followed.get(name);
    const endedAtMs = followed?.isLoaded === true ? store.channels.get(name)?.endedAtMs : undefined;
    if (followed === undefined || endedAtMs === undefined) return;
    if (endedAtMs < store.nowMs() - endedAgeMs + CLOCKS_MS) this.#unload(name, followed);
  }

  /** Those who have the channel keep what was loaded; nothing is added to it any more. */
  #unload(name: string, followed: Followed | undefined): void {
    this.#options.store.drop(name);
    if (followed === undefined) return;
    followed.isLoaded = false;
    this.#spoil(followed);
  }

  #holdFor(followed: Followed, placed: PlacedEvent): void {
    followed.held.push(placed);
    followed.heldBytes += placed.body.bytes.length;
    // What is missing by then is read again.
    if (followed.heldBytes > HELD_BYTES_MAX) this.#spoil(followed);
  }

  #spoil(followed: Followed): void {
    followed.held = [];
    followed.heldBytes = 0;
    followed.isStale = true;
  }

  #loaded(name: string): Promise<void> {
    const followed = this.#followed.get(name);
    if (followed === undefined || followed.isLoaded) return Promise.resolve();
    followed.loading ??= this.#load(name, followed).finally(() => (followed.loading = undefined));
    return followed.loading;
  }

  async #load(name: string, followed: Followed): Promise<void> {
    do {
      this.#spoil(followed);
      followed.isStale = false;
      const loaded = await this.#read(name, 0);
      // Redis may be ahead of the messages: the copy must not be.
      await this.reached(loaded.header.head);
      if (followed.isStale) continue;
      if (this.#followed.get(name) !== followed) return;
      const channel = appendAll(this.#options.store, name, loaded);
      followed.isStale = followed.held.some(({ placement }) => isOfNext(channel, placement.offset));
      if (followed.isStale) continue;
      for (const placed of followed.held) this.#append(channel, placed);
      followed.isLoaded = true;
      followed.held = [];
      followed.heldBytes = 0;
    } while (followed.isStale);
  }

  /** Everything behind `after`, in as many pieces as it takes. */
  async #read(name: string, after: number): Promise<Loaded> {
    let events: PlacedEvent[] = [];
    let had = after;
    let recentOffsets: readonly number[] | undefined;
    for (;;) {
      const [, , channel] = listOf(await this.#options.read([READ_BYTES_MAX, name, had]));
      const [header, ...records] = listOf(channel);
      if (bytesOf(header).length === 0) return missing(records);
      const known = decodeHeader(bytesOf(header));
      // Only the first answer has them; what came since is behind them.
      recentOffsets ??= known.recentOffsets;
      // What was given up while it was read is gone as a whole.
      if (known.lost.offset > had) events = [];
      for (const record of records) events.push(decodeRecord(bytesOf(record)));
      had = events.at(-1)?.placement.offset ?? Math.max(had, known.lost.offset);
      if (had >= known.head || records.length === 0)
        return { isThere: true, header: { ...known, recentOffsets }, events };
    }
  }

  async #readAll(names: readonly string[], head: number): Promise<ReadonlyMap<string, Loaded>> {
    const all = new Map<string, Loaded>();
    const { channels, headOffset } = this.#options.store;
    for (let from = 0; from < names.length;) {
      const asked = names.slice(from, from + READ_CHANNELS_MAX);
      const args = asked.flatMap((name) => [name, headOffset]);
      const [, , ...answers] = listOf(await this.#options.read([READ_BYTES_MAX, ...args]));
      for (const [at, answer] of answers.entries()) {
        const name = asked[at] ?? '';
        const [header, ...records] = listOf(answer);
        if (bytesOf(header).length === 0 || !channels.has(name)) continue;
        const events = records.map((record) => decodeRecord(bytesOf(record)));
        const loaded = { isThere: true, header: decodeHeader(bytesOf(header)), events };
        const isWhole = (loaded.events.at(-1)?.placement.offset ?? headOffset) >= Math.min(head, loaded.header.head);
        all.set(name, isWhole ? loaded : await this.#read(name, headOffset));
      }
      if (answers.length === 0) throw new Error('The reading script answered nothing');
      from += answers.length;
    }
    return all;
  }

  /** In one turn and in the order of offsets, so that nobody is sent a part of it. */
  #applyMissed(missed: ReadonlyMap<string, Loaded>, head: number): void {
    const { store } = this.#options;
    const events: { readonly channel: Channel; readonly placed: PlacedEvent }[] = [];
    for (const [name, { header, events: placed }] of missed) {
      const channel = store.channels.get(name);
      if (channel === undefined || this.#followed.get(name)?.isLoaded !== true) continue;
      if (isOfNext(channel, header.head)) {
        this.#unload(name, this.#followed.get(name));
        continue;
      }
      // Given up before it came here: a gap, and what is behind it.
      if (header.lost.offset > store.headOffset && header.lost.offset > channel.history.headOffset) {
        store.lose(channel, header.lost);
        this.#changed.add(channel);
      }
      for (const one of placed) if (one.placement.offset <= head) events.push({ channel, placed: one });
    }
    events.sort((a, b) => a.placed.placement.offset - b.placed.placement.offset);
    for (const { channel, placed } of events) this.#append(channel, placed);
    store.advance(head);
  }

  #apply(message: PlacedMessage): void {
    const { store } = this.#options;
    if (message.to <= store.headOffset) return;
    if (message.from > store.headOffset) {
      this.#heldMessages = [message];
      return this.#options.onHole();
    }
    message.forEach((name, events) => {
      const followed = this.#followed.get(name);
      if (followed === undefined) return;
      const channel = followed.isLoaded ? store.channels.get(name) : undefined;
      if (channel === undefined && followed.loading === undefined) return;
      for (const placed of events()) {
        if (channel === undefined) this.#holdFor(followed, placed);
        else if (isOfNext(channel, placed.placement.offset)) return this.#unload(name, followed);
        else this.#append(channel, placed);
      }
    });
    store.advance(message.to);
  }

  #append(channel: Channel, { body, placement }: PlacedEvent): void {
    if (placement.offset <= channel.history.headOffset) return;
    const { store } = this.#options;
    store.append(channel, frameOf(body, store.formatCursor(placement.offset)), placement);
    this.#changed.add(channel);
  }

  #settle(): void {
    const { store } = this.#options;
    for (const channel of this.#changed) store.changed(channel);
    this.#changed.clear();
    if (this.#waiting.length === 0) return;
    const isThere = ({ offset }: Waiting): boolean => offset <= store.headOffset;
    const there = this.#waiting.filter(isThere);
    if (there.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => !isThere(one));
    for (const { resolve } of there) resolve();
  }
}

/** Whether what is placed there is of another channel under the name of one that has ended: who has that was told so. */
function isOfNext(channel: Channel, offset: number): boolean {
  return channel.isEnded && offset > channel.history.headOffset;
}

/** Of a channel that is not there, only what it lost is known: offset and time. */
function missing([offset, timeMs]: readonly Reply[]): Loaded {
  const lost = { offset: numberOf(offset), timeMs: numberOf(timeMs) };
  const header = { head: lost.offset, lost, publisher: '', endedAtMs: undefined, recentOffsets: [] };
  return { isThere: false, header, events: [] };
}

function appendAll(store: ChannelStore, name: string, { header, events }: Loaded): Channel {
  const channel = store.replace(name, header);
  channel.history.recallOffsets?.(header.recentOffsets);
  for (const { body, placement } of events)
    store.append(channel, frameOf(body, store.formatCursor(placement.offset)), placement);
  if (header.endedAtMs !== undefined) channel.markEnded(header.endedAtMs);
  return channel;
}
