import { describe, expect, it } from 'vitest';
import { JumpingClock, ManualClock } from '../../test/support/clocks.js';
import { CuttableLink } from '../../test/support/cuttable-link.js';
import { answerWith, loseAnswer, loseRequest, startFakeHub } from '../../test/support/fake-hub.js';
import { HubServer } from '../../test/support/hub-server.js';
import { createBatchingPublisher, createPublisher } from './index.js';

const numbers = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => String(at));

describe('createBatchingPublisher()', () => {
  it('publish() sends what comes together in one request, in order, and answers each', async () => {
    await using hub = await startFakeHub();
    await using publisher = createBatchingPublisher({ url: hub.url });
    const results = await Promise.all(numbers(100).map((data) => publisher.publish('a', { data })));
    expect(results).toHaveLength(100);
    expect(results[99]).toMatchObject({ published: 100 });
    expect(hub.requests).toMatchObject([{ url: '/publish/a', lines: 100 }]);
    expect(hub.events.map(({ data }) => data)).toEqual(numbers(100));
    expect(new Set(hub.events.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(100);
  });

  it('sends a full batch at once, by count and by size, and the rest when it lingered', async () => {
    await using hub = await startFakeHub();
    const clock = new ManualClock();
    const publisher = createBatchingPublisher({ url: hub.url, batchEventsMax: 3, batchCharactersMax: 1000, clock });
    const byCount = Promise.all(['1', '2', '3'].map((data) => publisher.publish('a', { data })));
    expect((await byCount)[0]).toMatchObject({ published: 3 });
    const bySize = publisher.publish('a', { data: 'x'.repeat(1000) });
    await bySize;
    const rest = publisher.publish('a', { data: '5' });
    expect(hub.requests.map(({ lines }) => lines)).toEqual([3, 1]);
    clock.advance(10);
    await rest;
    expect(hub.requests.map(({ lines }) => lines)).toEqual([3, 1, 1]);
  });

  it('publishes nothing twice when an answer is lost and the request repeated', async () => {
    await using hub = await startFakeHub();
    hub.faults.push(loseAnswer, loseRequest, answerWith(503), loseAnswer);
    await using publisher = createBatchingPublisher({ url: hub.url, lingerMs: 0, random: () => 0 });
    const results = await Promise.all(numbers(20).map((data) => publisher.publish('a', { data })));
    expect(results[0]).toMatchObject({ published: 0, duplicates: 20 });
    expect(hub.events.map(({ data }) => data)).toEqual(numbers(20));
    expect(hub.requests).toHaveLength(5);
  });

  it('keeps a key that the event has', async () => {
    await using hub = await startFakeHub();
    await using publisher = createBatchingPublisher({ url: hub.url });
    await publisher.publish('a', { data: '', idempotencyKey: 'mine' });
    expect(hub.events).toMatchObject([{ idempotencyKey: 'mine' }]);
  });

  it('refuses the one event that the hub does not take, and publishes the others of its batch in order', async () => {
    await using hub = await HubServer.start();
    await using subscriber = await hub.subscribe('a');
    await using publisher = createBatchingPublisher({ url: hub.url });
    const outcomes = await Promise.allSettled(
      numbers(30).map((data) => publisher.publish('a', data === '17' ? { data, event: 'tidegate.forged' } : { data })),
    );
    expect(outcomes.flatMap(({ status }, at) => (status === 'rejected' ? [at] : []))).toEqual([17]);
    expect(outcomes[17]).toMatchObject({ reason: { code: 'invalid-event-type' } });
    await subscriber.until(() => subscriber.events.some(({ data }) => data === '29'));
    const data = subscriber.events.filter(({ type }) => type === 'message').map((event) => event.data);
    expect(data).toEqual(numbers(30).filter((each) => each !== '17'));
  });

  it('gives up what no hub answers for in time, as retryable', async () => {
    const clock = new JumpingClock();
    const publisher = createBatchingPublisher({ url: 'http://127.0.0.1:10', giveUpAfterMs: 5000, clock });
    await expect(publisher.publish('a', { data: '' })).rejects.toMatchObject({ code: 'unreachable', retryable: true });
    expect(clock.delays.length).toBeGreaterThan(1);
  });

  it('refuses an event when its queue is full, and says when it is not', async () => {
    await using hub = await startFakeHub();
    const publisher = createBatchingPublisher({ url: hub.url, queueEventsMax: 2, lingerMs: 0 });
    const taken = [publisher.publish('a', { data: '1' }), publisher.publish('a', { data: '2' })];
    await expect(publisher.publish('a', { data: '3' })).rejects.toMatchObject({ code: 'queue-full', retryable: true });
    await publisher.whenReady();
    await publisher.publish('a', { data: '4' });
    await Promise.all(taken);
    expect(hub.events.map(({ data }) => data)).toEqual(['1', '2', '4']);
  });

  it('drain() sends what waits without lingering, and takes no more', async () => {
    await using hub = await startFakeHub();
    const publisher = createBatchingPublisher({ url: hub.url, clock: new ManualClock() });
    const results = ['a', 'b', 'c', 'd', 'e', 'f'].map((channel) => publisher.publish(channel, { data: channel }));
    await publisher.drain();
    expect(await Promise.all(results)).toHaveLength(6);
    expect(hub.requests).toHaveLength(6);
    await expect(publisher.publish('a', { data: '' })).rejects.toMatchObject({ code: 'publisher-closed' });
  });

  it('close() gives up what waits and what is under way', async () => {
    await using hub = await startFakeHub();
    const isAsked = new Promise<void>((resolve) => {
      hub.faults.push(() => (resolve(), false));
    });
    const publisher = createBatchingPublisher({ url: hub.url, lingerMs: 0, batchEventsMax: 1 });
    const outcomes = Promise.allSettled(['1', '2'].map((data) => publisher.publish('a', { data })));
    await isAsked;
    publisher.close();
    expect(await outcomes).toMatchObject([
      { status: 'rejected', reason: { code: 'publisher-closed' } },
      { status: 'rejected', reason: { code: 'publisher-closed' } },
    ]);
    await publisher.drain();
  });

  it('refuses a bad channel, and leaves the others alone', async () => {
    await using hub = await startFakeHub();
    await using publisher = createBatchingPublisher({ url: hub.url });
    await expect(publisher.publish('a b', { data: '' })).rejects.toMatchObject({ code: 'invalid-channel' });
    expect(await publisher.publish('a', { data: '' })).toMatchObject({ published: 1 });
  });

  it('through a link that is cut again and again publishes each event once, in order', async () => {
    await using hub = await HubServer.start();
    await using subscriber = await hub.subscribe('a');
    await using link = await CuttableLink.open(() => hub.port);
    await using publisher = createBatchingPublisher({ url: link.url, lingerMs: 1, random: () => 0.01 });
    const results: Promise<unknown>[] = [];
    for (const data of numbers(400)) {
      results.push(publisher.publish('a', { data }));
      if (Number(data) % 40 === 0) link.cut();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(results);
    await subscriber.until(() => subscriber.events.some(({ data }) => data === '399'));
    const published = subscriber.events.filter(({ type }) => type === 'message').map(({ data }) => data);
    expect(published).toEqual(numbers(400));
  });
});

describe('createPublisher() with a token', () => {
  it('asks for another when the hub refuses it, once a request', async () => {
    await using hub = await startFakeHub();
    hub.faults.push(answerWith(401), () => true, answerWith(401), answerWith(401));
    let count = 0;
    const publisher = createPublisher({ url: hub.url, token: () => `token-${(count += 1)}` });
    expect(await publisher.publish('a', { data: '1' })).toMatchObject({ published: 1 });
    await expect(publisher.publish('a', { data: '2' })).rejects.toMatchObject({ status: 401, retryable: false });
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-2',
      'Bearer token-2',
      'Bearer token-3',
    ]);
  });

  it('rejects with its signal’s reason while the callback is asked', async () => {
    const stop = new AbortController();
    const token = (): Promise<string> => (stop.abort(new Error('enough')), new Promise(() => {}));
    const publisher = createPublisher({ url: 'http://127.0.0.1:9', token });
    await expect(publisher.publish('a', { data: '' }, { signal: stop.signal })).rejects.toThrow('enough');
  });
});
