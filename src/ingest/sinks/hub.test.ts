import { describe, expect, it } from 'vitest';
import { describeSink, spooled } from '../../../test/conformance/sink.js';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { JumpingClock } from '../../../test/support/clocks.js';
import { answerWith, loseAnswer, loseRequest, startFakeHub } from '../../../test/support/fake-hub.js';
import type { FakeHub } from '../../../test/support/fake-hub.js';
import { MemoryDeadLetters } from '../../../test/support/memory-dead-letters.js';
import { createHubSink } from './hub.js';
import type { HubSinkOptions } from './hub.js';
import type { Sink } from './sink.js';

const { signal } = new AbortController();

async function openSink(hub: FakeHub, options: Partial<HubSinkOptions> = {}) {
  const clock = new JumpingClock();
  const logger = createCapturingLogger();
  const sink: Sink = createHubSink({ url: hub.url, channel: 'c', clock, ...options });
  await sink.open({ pipeline: 'p', runId: 'run', logger });
  return { sink, clock, logger };
}

describeSink('createHubSink()', async () => {
  const hub = await startFakeHub();
  return {
    create: () => createHubSink({ url: hub.url, channel: 'c', clock: new JumpingClock() }),
    read: () => Promise.resolve(hub.events.map((event) => event.data)),
    failOnce: () => void hub.faults.push(loseAnswer),
    [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose](),
  };
});

describe('createHubSink()', () => {
  it('publishes a batch as lines, each with its type and a key of its own', async () => {
    await using hub = await startFakeHub();
    const { sink } = await openSink(hub, { channel: 'a:b', headers: { 'X-Key': 'k' } });
    await sink.write([spooled(1, 'a\nb', { type: 'edit' }), spooled(2, '{}')], signal);
    expect(hub.requests).toMatchObject([{ url: '/publish/a%3Ab', headers: { 'x-key': 'k' }, lines: 2 }]);
    expect(hub.events).toEqual([
      { event: 'edit', data: 'a\nb', idempotencyKey: 'run/1' },
      { data: '{}', idempotencyKey: 'run/2' },
    ]);
  });

  it('keeps ids where told to, but none that the hub would take for a cursor', async () => {
    await using hub = await startFakeHub();
    const { sink } = await openSink(hub, { keepIds: true });
    await sink.write(
      [spooled(1, 'a', { id: 'x' }), spooled(2, 'b', { id: '~aaaaaaaa-1' }), spooled(3, 'c', { id: '' })],
      signal,
    );
    expect(hub.events.map((event) => event.id)).toEqual(['x', undefined, undefined]);
  });

  it.each([
    ['a connection that breaks', loseRequest],
    ['a lost answer', loseAnswer],
    ['503', answerWith(503)],
    ['429', answerWith(429)],
    ['401, which an operator can heal', answerWith(401)],
    ["a proxy's 400, which is not the hub's", answerWith(400)],
    ["a proxy's page in place of an answer", answerWith(200)],
  ])('tries again after %s, and publishes nothing twice', async (_, fault) => {
    await using hub = await startFakeHub();
    const { sink, logger } = await openSink(hub);
    hub.faults.push(fault, fault, fault);
    expect(await sink.write([spooled(1, 'a'), spooled(2, 'b')], signal)).toEqual({ refused: 0 });
    expect(hub.events.map((event) => event.data)).toEqual(['a', 'b']);
    expect(hub.requests).toHaveLength(4);
    expect(logger.lines.map((line) => line.level)).toEqual(['warn', 'warn', 'warn']);
  });

  it('honours Retry-After', async () => {
    await using hub = await startFakeHub();
    const { sink, clock } = await openSink(hub);
    hub.faults.push(answerWith(503, { 'retry-after': '40' }), answerWith(429, { 'retry-after': '99999999' }));
    await sink.write([spooled(1, 'a')], signal);
    expect(clock.delays).toEqual([40_000, 300_000]);
  });

  it('leaves out the one event that the hub refuses, says so, and goes on', async () => {
    await using hub = await startFakeHub({
      refuse: ({ data }) => (data.startsWith('bad') ? 'event-too-large' : undefined),
    });
    const { sink, logger } = await openSink(hub);
    const batch = ['a', 'b', 'bad1', 'c', 'd', 'e', 'bad2', 'f'].map((data, index) => spooled(index + 1, data));
    expect(await sink.write(batch, signal)).toEqual({ refused: 2 });
    expect(hub.events.map((event) => event.data)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(logger.lines).toMatchObject([
      { level: 'error', message: 'Event refused', fields: { code: 'event-too-large', status: 400, sequence: 3 } },
      { level: 'error', message: 'Event refused', fields: { sequence: 7 } },
    ]);
  });

  it('keeps what the hub refuses as a dead letter before it counts, however often that fails', async () => {
    await using hub = await startFakeHub({
      refuse: ({ data }) => (data.startsWith('bad') ? 'event-too-large' : undefined),
    });
    const deadLetters = new MemoryDeadLetters();
    deadLetters.failures = 2;
    const { sink, logger } = await openSink(hub, { deadLetters });
    expect(await sink.write([spooled(1, 'a'), spooled(2, 'bad')], signal)).toEqual({ refused: 1 });
    expect(deadLetters.letters).toMatchObject([
      { sink: 'hub', errorCode: 'event-too-large', event: { id: 'id-2' }, rawData: Buffer.from('bad') },
    ]);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'Cannot keep dead letters',
      'Cannot keep dead letters',
      'Event refused; it is a dead letter',
    ]);
  });

  it('sends a batch in parts where it is too large as a whole', async () => {
    await using hub = await startFakeHub({ bodyBytesMax: 300 });
    const { sink } = await openSink(hub);
    const batch = Array.from({ length: 9 }, (_, index) => spooled(index + 1, `${index}${'x'.repeat(60)}`));
    expect(await sink.write(batch, signal)).toEqual({ refused: 0 });
    expect(hub.events.map((event) => event.data[0]).join('')).toBe('012345678');
  });

  it('refuses no event when it is the channel that the hub does not take', async () => {
    await using hub = await startFakeHub();
    const { sink } = await openSink(hub);
    const headers = { 'content-type': 'application/problem+json' };
    hub.faults.push(answerWith(400, headers, JSON.stringify({ code: 'invalid-channel' })));
    expect(await sink.write([spooled(1, 'a')], signal)).toEqual({ refused: 0 });
    expect(hub.events).toHaveLength(1);
  });

  it('rejects soon after its signal aborts, while it waits for the hub and while it waits to try again', async () => {
    await using hub = await startFakeHub();
    for (const fault of [() => false, loseRequest]) {
      const stop = new AbortController();
      const { sink } = await openSink(hub, {
        clock: { now: () => 0, after: () => (setImmediate(() => stop.abort()), () => {}) },
      });
      hub.faults.push((response) => {
        if (fault !== loseRequest) setImmediate(() => stop.abort());
        return fault(response);
      });
      await expect(sink.write([spooled(1, 'a')], stop.signal)).rejects.toBeInstanceOf(Error);
    }
    expect(hub.events).toEqual([]);
  });

  it.each([
    ['a channel', { channel: 'a b' }],
    ['a URL', { url: 'nowhere' }],
    ['a URL with credentials', { url: 'http://u:s3cret@127.0.0.1/' }],
    ['a header', { headers: { 'x-key': 's3cret\r\n' } }],
  ])('refuses %s that cannot be used, without its secrets', (_, options) => {
    expect(() => createHubSink({ url: 'http://127.0.0.1/', channel: 'c', ...options })).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.not.stringContaining('s3cret') }),
    );
  });
});
