import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { Accounts } from './accounts.js';
import type { Account, Charged } from './accounts.js';

class Item implements Charged<Item> {
  account: Account<Item> | undefined;
  before: Item | undefined;
  behind: Item | undefined;
  bytes: number;
  lastMs: number;
  isFollowed = false;

  constructor(bytes: number, lastMs = 0) {
    this.bytes = bytes;
    this.lastMs = lastMs;
  }
}

function resize(accounts: Accounts<Item>, item: Item, bytes: number): void {
  const before = item.bytes;
  item.bytes = bytes;
  accounts.resize(item, before);
}

const key = fc.constantFrom('a', 'b', 'c');
const size = fc.oneof(fc.constant(0), fc.nat({ max: 100 }), fc.nat({ max: 2 ** 20 }), fc.nat({ max: 2 ** 34 }));
const step = fc.oneof(
  fc.record({ do: fc.constant('charge' as const), key, size, isOpener: fc.boolean() }),
  fc.record({ do: fc.constant('resize' as const), at: fc.nat(), size }),
  fc.record({ do: fc.constant('discharge' as const), at: fc.nat() }),
);

test('largest() and idlest() are of who has the most, after whatever happened', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const accounts = new Accounts<Item>();
      const items: Item[] = [];
      for (const one of steps) {
        if (one.do === 'charge') {
          const item = new Item(one.size, items.length);
          accounts.charge(item, one.key, one.isOpener);
          items.push(item);
        } else {
          const item = items[one.at % Math.max(1, items.length)];
          if (item === undefined) continue;
          if (one.do === 'resize') resize(accounts, item, one.size);
          else {
            accounts.discharge(item);
            items.splice(items.indexOf(item), 1);
          }
        }
      }
      check(accounts, items);
    }),
    { numRuns: 1000 },
  );
});

function check(accounts: Accounts<Item>, items: readonly Item[]): void {
  const publishers = items.filter(({ account }) => account?.isOpener === false);
  const bytesOf = (account: Account<Item> | undefined): number =>
    items.filter((item) => item.account === account).reduce((sum, { bytes }) => sum + bytes, 0);
  const channelsOf = (account: Account<Item> | undefined): number =>
    items.filter((item) => item.account === account).length;
  for (const { account } of items)
    expect([account?.bytes, account?.channels]).toEqual([bytesOf(account), channelsOf(account)]);
  expect(accounts.opened).toBe(items.length - publishers.length);
  const largest = accounts.largest();
  const most = Math.max(0, ...items.map(({ account }) => bytesOf(account)));
  expect(largest === undefined ? 0 : bytesOf(largest.account)).toBe(most);
  const own = items.filter(({ account }) => account === largest?.account);
  expect(largest?.bytes ?? 0).toBe(largest === undefined ? 0 : Math.max(...own.map(({ bytes }) => bytes)));
  const idlest = accounts.idlest(0);
  const mostChannels = Math.max(0, ...publishers.map(({ account }) => channelsOf(account)));
  expect(idlest === undefined ? 0 : channelsOf(idlest.account)).toBe(mostChannels);
  expect(accounts.idlest(mostChannels)).toBeUndefined();
  expect(idlest?.account?.isOpener).not.toBe(true);
}

test('idlest() is the one that was quiet for longest of those without a subscriber', () => {
  const accounts = new Accounts<Item>();
  const items = [50, 10, 30, 20, 40].map((lastMs) => new Item(100, lastMs));
  for (const item of items) accounts.charge(item, 'a', false);
  const [, oldest, , next] = items;
  expect(accounts.idlest(0)).toBe(oldest);
  if (oldest !== undefined) oldest.isFollowed = true;
  expect(accounts.idlest(0)).toBe(next);
  for (const item of items) item.isFollowed = true;
  expect(accounts.idlest(0)).toBeUndefined();
});

test('idlest() finds one among many that have subscribers, if not at once', () => {
  const accounts = new Accounts<Item>();
  const items = Array.from({ length: 1000 }, () => new Item(100));
  for (const item of items) {
    item.isFollowed = true;
    accounts.charge(item, 'a', false);
  }
  const idle = items[700];
  if (idle !== undefined) idle.isFollowed = false;
  const found = Array.from({ length: 20 }, () => accounts.idlest(0));
  expect(found).toContain(idle);
});
