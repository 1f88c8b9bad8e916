import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { HubError } from '../../errors.js';
import { createMessageReader } from './message-reader.js';

const reader = createMessageReader({ channels: [{ redisChannel: 'sse', channel: 'all' }], eventBytesMax: 1000 });

function read(channel: string | Uint8Array, payload: string | Uint8Array) {
  return reader.read(reader.hear(Buffer.from(channel), Buffer.from(payload)));
}

function outcomeOf(channel: Uint8Array, payload: Uint8Array): unknown {
  try {
    read(channel, payload);
  } catch (error) {
    if (!(error instanceof HubError)) return error;
  }
  return 'read or refused';
}

describe('createMessageReader()', () => {
  it('reads any JSON as data, to the digit, and any id and type that can go on the wire', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9 _-]{1,20}$/);
    fc.assert(
      fc.property(fc.jsonValue(), name, name, fc.boolean(), (data, id, type, isPretty) => {
        const json = JSON.stringify({ id, type, data }, null, isPretty ? 2 : 0);
        const { channel, event } = read('shop:channel:ann', json);
        expect(channel).toBe('/users/shop/ann');
        expect(event).toMatchObject({ id, event: type });
        expect(JSON.parse(event.data)).toEqual(JSON.parse(JSON.stringify(data)));
        expect(event.data).not.toMatch(/[\r\n]/);
      }),
    );
  });

  it('refuses with a code whatever comes, and never fails otherwise', () => {
    const json = fc.json().map((text) => Buffer.from(text));
    const payload = fc.oneof(fc.uint8Array({ maxLength: 2000 }), json);
    const channel = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.constantFrom('shop:channel:ann', 'sse', ':channel:', 'a:channel:channel:b').map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(channel, payload, (redisChannel, bytes) => {
        expect(outcomeOf(redisChannel, bytes)).toBe('read or refused');
      }),
    );
  });

  it('takes what comes on a listed channel as it is', () => {
    expect(read('sse', '{"a": 1.50}\n')).toEqual({ channel: 'all', event: { data: '{"a": 1.50}\n' } });
    expect(read('sse', '')).toEqual({ channel: 'all', event: { data: '' } });
  });

  it('keeps nothing of a message that is too large', () => {
    const heard = reader.hear(Buffer.from('sse'), Buffer.alloc(10_000));
    expect([heard.payload.length, heard.bytes]).toEqual([0, 10_000]);
    expect(() => reader.read(heard)).toThrow('10000 bytes');
  });
});
