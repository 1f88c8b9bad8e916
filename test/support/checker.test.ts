import { expect, test } from 'vitest';

import { checkDelivery } from './checker.js';
import type { ReceivedItem } from './checker.js';

const published = ['1', '2', '3', '4'].map((key) => ({ channel: 'a', key }));
const events = (...keys: readonly string[]): readonly ReceivedItem[] =>
  keys.map((key) => ({ kind: 'event', channel: 'a', key }));
const gap: ReceivedItem = { kind: 'gap', channel: 'a' };
const check = (received: readonly ReceivedItem[], more: { from?: Record<string, string>; mayRepeat?: boolean } = {}) =>
  checkDelivery(published, [{ name: 's', channels: ['a'], received, ...more }]).map(
    ({ kind, key }) => `${kind} ${key}`,
  );

test('checkDelivery() is content with everything, once, in order', () => {
  expect(check(events('1', '2', '3', '4'))).toEqual([]);
  expect(check(events('3', '4'), { from: { a: '3' } })).toEqual([]);
});

test('checkDelivery() finds one that is missing, at the start, in the middle and at the end', () => {
  expect(check(events('2', '3', '4'))).toEqual(['missing 1']);
  expect(check(events('1', '3', '4'))).toEqual(['missing 2']);
  expect(check(events('1', '2', '3'))).toEqual(['missing 4']);
  expect(check([])).toHaveLength(4);
});

test('checkDelivery() accepts a loss where a gap was announced, and only there', () => {
  expect(check([...events('1'), gap, ...events('3', '4')])).toEqual([]);
  expect(check([gap, ...events('1', '2', '4')])).toEqual(['missing 3']);
  expect(check([...events('1', '2'), { kind: 'gap', channel: 'b' }, ...events('4')])).toEqual(['missing 3']);
});

test('checkDelivery() finds repeats, disorder and what nobody published', () => {
  expect(check(events('1', '2', '2', '3', '4'))).toEqual(['duplicate 2']);
  expect(check(events('1', '2', '1', '2', '3', '4'), { mayRepeat: true })).toEqual([]);
  expect(check(events('1', '3', '2', '4'))).toEqual(['missing 2', 'disorder 2']);
  expect(check(events('1', '2', 'x', '3', '4'))).toEqual(['foreign x']);
});
