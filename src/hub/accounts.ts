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
  /** Its rank by bytes is right from `bytesFrom` up to and without `bytesTo`. */
  bytesFrom: number;
  bytesTo: number;
  channels: number;
  /** By size (`classOf`) the first of a circle, which begins with the one that came first. */
  readonly circles: (Item | undefined)[];
}

/** Accounts and channels of about one size that are looked at for the largest, or for the one quiet for longest. */
const LOOKED_AT_MAX = 8;
/** Channels with a subscriber that are passed over in looking for one without. */
const PASSED_MAX = 64;
/** Channels below this size make one class, those of no bytes one of their own; above, classes double. */
const SMALL_BITS = 12;
/** Publishers with fewer channels are told apart by each. */
const EXACT_MAX = 64;

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
    if (levelOf(bytes) !== levelOf(bytesBefore) && classOf(bytes) !== classOf(bytesBefore)) {
      unlink(account, item, bytesBefore);
      link(account, item);
    }
    this.#weigh(account, bytes - bytesBefore);
  }

  /** The largest channel of who has the most bytes; undefined where there are none. */
  largest(): Item | undefined {
    const circles = this.#largestAccount()?.circles ?? [];
    for (let at = circles.length - 1; at > 0; at -= 1) {
      const first = circles[at];
      if (first !== undefined) return largestAround(first);
    }
    return undefined;
  }

  /** Of the publisher with the most channels, if they are more than `held`, the one that was quiet for longest, but none that somebody has: small ones first. */
  idlest(held: number): Item | undefined {
    let passed = 0;
    let looked = 0;
    for (const account of this.#byChannels.first()) {
      looked += 1;
      if (looked > LOOKED_AT_MAX) return undefined;
      if (account.channels <= held) continue;
      for (let at = 0; at < account.circles.length; at += 1) {
        const seen = idlestAround(account, at, PASSED_MAX - passed);
        passed += seen.passed;
        if (seen.item !== undefined || passed >= PASSED_MAX) return seen.item;
      }
    }
    return undefined;
  }

  #largestAccount(): Account<Item> | undefined {
    let largest: Account<Item> | undefined;
    let looked = 0;
    for (const account of this.#byBytes.first()) {
      if (largest === undefined || account.bytes > largest.bytes) largest = account;
      looked += 1;
      if (looked === LOOKED_AT_MAX) break;
    }
    return largest;
  }

  #find(key: string, isOpener: boolean): Account<Item> {
    const accounts = isOpener ? this.#openers : this.#publishers;
    const found = accounts.get(key);
    if (found !== undefined) return found;
    const account: Account<Item> = {
      key,
      isOpener,
      bytes: 0,
      bytesFrom: 0,
      bytesTo: 1,
      channels: 0,
      circles: [undefined, undefined],
    };
    accounts.set(key, account);
    return account;
  }

  #count(account: Account<Item>, by: number): void {
    account.channels += by;
    if (account.isOpener) this.#opened += by;
    else this.#byChannels.move(account, rankOf(account.channels - by), rankOf(account.channels));
  }

  #weigh(account: Account<Item>, by: number): void {
    const bytes = account.bytes + by;
    account.bytes = bytes;
    // Nearly always: each append comes by here.
    if (bytes >= account.bytesFrom && bytes < account.bytesTo) return;
    const level = levelOf(bytes);
    this.#byBytes.move(account, levelOf(account.bytesFrom), level);
    account.bytesFrom = level === 0 ? 0 : 2 ** (level - 1);
    account.bytesTo = 2 ** level;
  }
}

/** Of the first few of a circle the largest. */
function largestAround<Item extends Charged<Item>>(first: Item): Item {
  let largest = first;
  let item = first.behind;
  for (let looked = 1; looked < LOOKED_AT_MAX && item !== undefined && item !== first; looked += 1) {
    if (item.bytes > largest.bytes) largest = item;
    item = item.behind;
  }
  return largest;
}

/** Of the first few of a circle that nobody has, the one that was quiet for longest; and how many had to be passed over. */
function idlestAround<Item extends Charged<Item>>(
  { circles }: Account<Item>,
  at: number,
  passedMax: number,
): { readonly item: Item | undefined; readonly passed: number } {
  const first = circles[at];
  let [looked, passed] = [0, 0];
  let idlest: Item | undefined;
  let item = first;
  while (item !== undefined && looked < LOOKED_AT_MAX && passed < passedMax) {
    // The next time, others are looked at.
    if (item.isFollowed) circles[at] = item.behind;
    else if (idlest === undefined || item.lastMs < idlest.lastMs) idlest = item;
    if (item.isFollowed) passed += 1;
    else looked += 1;
    item = item.behind === first ? undefined : item.behind;
  }
  return { item: idlest, passed };
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

/** Exact for small numbers; large ones within a twentieth have one rank, as moving costs. */
function rankOf(channels: number): number {
  return channels < EXACT_MAX ? channels : EXACT_MAX + Math.floor((Math.log2(channels) - Math.log2(EXACT_MAX)) * 16);
}

function classOf(bytes: number): number {
  return bytes === 0 ? 0 : Math.max(1, levelOf(bytes) - SMALL_BITS + 1);
}
