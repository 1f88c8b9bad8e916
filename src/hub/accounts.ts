import { Ranking } from './ranking.js';

/** What is charged to an account: it stands in one of its lists, which are linked through it, as a set would cost more than a small channel. */
export interface Charged<Item> {
  account: Account<Item> | undefined;
  before: Item | undefined;
  behind: Item | undefined;
  readonly bytes: number;
  /** When something last became of it. */
  readonly lastMs: number;
  /** Whether somebody has it, so that it cannot be given up. */
  readonly isFollowed: boolean;
}

/** What one publisher, or one subscriber, has. */
export interface Account<Item> {
  readonly key: string;
  /** Whether it opened its channels by subscribing to them, and nobody has published there yet. */
  readonly isOpener: boolean;
  bytes: number;
  channels: number;
  /** By size (`classOf`) the first of a circle, which begins with the one that came first. */
  readonly circles: (Item | undefined)[];
}

/** Accounts and channels of about one size that are looked at for the largest, or for the one quiet for longest. */
const LOOKED_AT_MAX = 16;
/** Channels with a subscriber that are passed over in looking for one without. */
const PASSED_MAX = 64;
/** Channels below this size make one class, those of no bytes one of their own; above, classes double. */
const SMALL_BITS = 12;

/** Who has how many channels and bytes: who has the most is who loses when there is no room. Each step takes the same time however many there are. */
export class Accounts<Item extends Charged<Item>> {
  readonly #publishers = new Map<string, Account<Item>>();
  readonly #openers = new Map<string, Account<Item>>();
  readonly #byBytes = new Ranking<Account<Item>>();
  /** Publishers only. */
  readonly #byChannels = new Ranking<Account<Item>>();
  #opened = 0;

  /** Channels that were opened by subscribing, and have no publisher yet. */
  get opened(): number {
    return this.#opened;
  }

  openedBy(subscriber: string): number {
    return this.#openers.get(subscriber)?.channels ?? 0;
  }

  channelsOf(publisher: string): number {
    return this.#publishers.get(publisher)?.channels ?? 0;
  }

  /** How many channels the publisher with the most has. */
  get mostChannels(): number {
    return this.#byChannels.highest;
  }

  charge(item: Item, key: string, isOpener: boolean): void {
    const account = this.#find(key, isOpener);
    item.account = account;
    link(account, item);
    this.#count(account, 1);
    this.#weigh(account, item.bytes);
  }

  /** The item is gone. */
  discharge(item: Item): void {
    const { account } = item;
    if (account === undefined) return;
    unlink(account, item, item.bytes);
    item.account = undefined;
    this.#weigh(account, -item.bytes);
    this.#count(account, -1);
    if (account.channels === 0) (account.isOpener ? this.#openers : this.#publishers).delete(account.key);
  }

  /** The item had `bytesBefore`, and has others now. */
  resize(item: Item, bytesBefore: number): void {
    const { account, bytes } = item;
    if (account === undefined || bytes === bytesBefore) return;
    if (classOf(bytes) !== classOf(bytesBefore)) {
      unlink(account, item, bytesBefore);
      link(account, item);
    }
    this.#weigh(account, bytes - bytesBefore);
  }

  /** The largest channel of who has the most bytes; undefined where there are none. */
  largest(): Item | undefined {
    const account = most(this.#byBytes.first(), ({ bytes }) => bytes);
    for (let at = (account?.circles.length ?? 0) - 1; at > 0; at -= 1) {
      const first = account?.circles[at];
      if (first !== undefined) return most(around(first), ({ bytes }) => bytes);
    }
    return undefined;
  }

  /** Of the publisher with the most channels the one that was quiet for longest, but none that somebody has: small ones first. */
  idlest(): Item | undefined {
    let passed = 0;
    for (const account of this.#byChannels.first())
      for (const [at, first] of account.circles.entries()) {
        const idle: Item[] = [];
        for (const item of first === undefined ? [] : around(first)) {
          if (item.isFollowed) passed += 1;
          else idle.push(item);
          // The next time, others are looked at.
          if (item.isFollowed) account.circles[at] = item.behind;
          if (passed > PASSED_MAX || idle.length === LOOKED_AT_MAX) break;
        }
        const found = most(idle, ({ lastMs }) => -lastMs);
        if (found !== undefined || passed > PASSED_MAX) return found;
      }
    return undefined;
  }

  #find(key: string, isOpener: boolean): Account<Item> {
    const accounts = isOpener ? this.#openers : this.#publishers;
    const found = accounts.get(key);
    if (found !== undefined) return found;
    const account: Account<Item> = { key, isOpener, bytes: 0, channels: 0, circles: [undefined, undefined] };
    accounts.set(key, account);
    return account;
  }

  #count(account: Account<Item>, by: number): void {
    account.channels += by;
    if (account.isOpener) this.#opened += by;
    else this.#byChannels.move(account, account.channels - by, account.channels);
  }

  #weigh(account: Account<Item>, by: number): void {
    const before = levelOf(account.bytes);
    account.bytes += by;
    const level = levelOf(account.bytes);
    if (level !== before) this.#byBytes.move(account, before, level);
  }
}

function* around<Item extends Charged<Item>>(first: Item): Generator<Item, void, undefined> {
  let item: Item | undefined = first;
  do {
    const next: Item | undefined = item.behind;
    yield item;
    item = next;
  } while (item !== undefined && item !== first);
}

/** Of the first few the one with the most. */
function most<Item>(items: Iterable<Item>, measure: (item: Item) => number): Item | undefined {
  let found: Item | undefined;
  let looked = 0;
  for (const item of items) {
    if (found === undefined || measure(item) > measure(found)) found = item;
    looked += 1;
    if (looked === LOOKED_AT_MAX) break;
  }
  return found;
}

/** Puts the item last in its circle. */
function link<Item extends Charged<Item>>({ circles }: Account<Item>, item: Item): void {
  const at = classOf(item.bytes);
  const first = circles[at];
  const last = first?.before;
  if (first === undefined || last === undefined) {
    item.before = item.behind = item;
    circles[at] = item;
    return;
  }
  item.before = last;
  item.behind = first;
  last.behind = first.before = item;
}

function unlink<Item extends Charged<Item>>({ circles }: Account<Item>, item: Item, bytes: number): void {
  const at = classOf(bytes);
  const { before, behind } = item;
  item.before = item.behind = undefined;
  if (before === undefined || behind === undefined) return;
  if (circles[at] === item) circles[at] = behind === item ? undefined : behind;
  before.behind = behind;
  behind.before = before;
  // A circle of one pointed at itself.
  if (behind === item) item.before = item.behind = undefined;
}

/** Rises by one with each doubling. */
function levelOf(count: number): number {
  return count < 2 ** 32 ? 32 - Math.clz32(count) : 64 - Math.clz32(count / 2 ** 32);
}

function classOf(bytes: number): number {
  return bytes === 0 ? 0 : Math.max(1, levelOf(bytes) - SMALL_BITS + 1);
}
