import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPartitionKey } from './partition-key.js';

const event = {
  id: 'i',
  type: 'edit',
  data: '{"meta":{"id":"x","n":7,"big":1234567890123456789,"o":{"a":1},"none":null}}',
  receivedAt: 0,
};
const random = (): number => 0.5;
const RANDOM = (2 ** 51).toString(36);

describe('createPartitionKey()', () => {
  it.each([
    ['random', RANDOM],
    ['type', 'edit'],
    ['id', 'i'],
    ['/meta/id', 'x'],
    ['/meta/n', '7'],
    ['/meta/o', '{"a":1}'],
    ['/meta/big', '1234567890123456789'],
    ['/meta/none', RANDOM],
    ['/missing', RANDOM],
  ])('%s of an event is %s', (text, key) => expect(createPartitionKey(text, random)(event)).toBe(key));

  it('is random where the event has no id, or its data is no JSON', () => {
    expect(createPartitionKey('id', random)({ ...event, id: '' })).toBe(RANDOM);
    expect(createPartitionKey('/a', random)({ ...event, data: 'text' })).toBe(RANDOM);
  });

  it.each(['', 'meta', '/~', 'Random'])('refuses %j', (text) => {
    expect(() => createPartitionKey(text)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('always has 1 to 256 characters that can be sent, equal for equal values', () => {
    const id = fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.constant('\ud800'), fc.constant(''));
    const text = fc.constantFrom('random', 'type', 'id', '/k');
    fc.assert(
      fc.property(id, text, (value, spelling) => {
        const keyed = { id: value, type: value || 'message', data: JSON.stringify({ k: value }), receivedAt: 0 };
        const [first, second] = [createPartitionKey(spelling)(keyed), createPartitionKey(spelling)(keyed)];
        expect(first.length).toBeGreaterThanOrEqual(1);
        expect(first.length).toBeLessThanOrEqual(256);
        expect(Buffer.from(first).toString()).toBe(first);
        expect(spelling === 'random' || value === '' || first === second).toBe(true);
      }),
    );
  });
});
