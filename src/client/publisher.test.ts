import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { answerWith, loseRequest, startFakeHub } from '../../test/support/fake-hub.js';
import { createPublisher } from './index.js';

describe('createPublisher()', () => {
  it('publish() posts one event as JSON', async () => {
    await using hub = await startFakeHub();
    const publisher = createPublisher({ url: `${hub.url}/`, headers: { authorization: 'Bearer x' } });
    const event = { id: 'i', event: 't', data: '"ä\n"', retry: 5, idempotencyKey: 'k' };
    const result = await publisher.publish('news', event);
    expect(result).toEqual({ channel: 'c', id: 'i', cursor: '~aaaaaaaa-1', published: 1, duplicates: 0 });
    expect(await publisher.publish('news', event)).toMatchObject({ published: 0, duplicates: 1 });
    expect(hub.requests[0]).toMatchObject({
      url: '/publish/news',
      headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
    });
    expect(hub.events).toEqual([event]);
  });

  it('publishBatch() posts a line for each event', async () => {
    await using hub = await startFakeHub();
    const publisher = createPublisher({ url: hub.url });
    expect(await publisher.publishBatch('grüße', [{ data: 'a\nb' }, { data: '' }])).toMatchObject({ published: 2 });
    expect(hub.requests[0]).toMatchObject({ url: `/publish/${encodeURIComponent('grüße')}`, lines: 2 });
    expect(hub.events.map((event) => event.data)).toEqual(['a\nb', '']);
  });

  it.each([
    [
      'the code of a problem',
      400,
      '{"code":"invalid-id","detail":"Cannot use id"}',
      { code: 'invalid-id', retryable: false },
    ],
    ['the status of anything else', 404, '<html>', { code: 'http-404', retryable: false }],
    ['a problem that is torn', 422, '{"code":', { code: 'http-422', retryable: false }],
    ['a server that may heal', 503, '', { code: 'http-503', retryable: true }],
    ['a limit that passes', 429, '', { code: 'http-429', retryable: true }],
  ])('throws a ClientError with %s', async (_, status, body, expected) => {
    await using hub = await startFakeHub();
    hub.faults.push(answerWith(status, { 'content-type': 'application/problem+json', 'retry-after': '7' }, body));
    const publishing = createPublisher({ url: hub.url }).publish('c', { data: '' });
    await expect(publishing).rejects.toMatchObject({
      name: 'ClientError',
      ...expected,
      status,
      retryAfterMs: 7000,
    });
  });

  it.each([
    ['no JSON', '<html>'],
    ['no object', '7'],
    ['another object', '{"ok":true}'],
  ])('throws a retryable ClientError when the answer is %s', async (_, body) => {
    await using hub = await startFakeHub();
    hub.faults.push(answerWith(200, {}, body));
    const publishing = createPublisher({ url: hub.url }).publish('c', { data: '' });
    await expect(publishing).rejects.toMatchObject({ code: 'unexpected-answer', retryable: true });
  });

  it('throws when the hub cannot be reached, is cut off, or does not answer in time', async () => {
    await using hub = await startFakeHub();
    hub.faults.push(loseRequest, () => false);
    const publisher = createPublisher({ url: hub.url });
    const hasty = createPublisher({ url: hub.url, timeoutMs: 30 });
    await expect(publisher.publish('c', { data: '' })).rejects.toMatchObject({ code: 'unreachable', retryable: true });
    await expect(hasty.publish('c', { data: '' })).rejects.toMatchObject({ code: 'timeout', retryable: true });
  });

  it("rejects with its signal's reason", async () => {
    await using hub = await startFakeHub();
    const stop = new AbortController();
    hub.faults.push(() => (stop.abort(new Error('enough')), false));
    const publisher = createPublisher({ url: hub.url });
    await expect(publisher.publish('c', { data: '' }, { signal: stop.signal })).rejects.toThrow('enough');
    await expect(publisher.publish('c', { data: '' }, { signal: stop.signal })).rejects.toThrow('enough');
  });

  it('leaves nothing on a signal that lives as long as the process', async () => {
    await using hub = await startFakeHub();
    const { signal } = new AbortController();
    const publisher = createPublisher({ url: hub.url });
    for (let count = 0; count < 3; count += 1) await publisher.publish('c', { data: '' }, { signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('refuses a bad channel, and a bad header without repeating it', async () => {
    const publisher = createPublisher({ url: 'http://127.0.0.1:1' });
    await expect(publisher.publish('a b', { data: '' })).rejects.toMatchObject({ code: 'invalid-channel' });
    expect(() => createPublisher({ url: 'http://u:s3cret@127.0.0.1:1' })).toThrow(
      expect.objectContaining({ code: 'invalid-url', message: expect.not.stringContaining('s3cret') }),
    );
    expect(() => createPublisher({ url: 'http://127.0.0.1:1', headers: { 'x-key': 's3cret\n!' } })).toThrow(
      expect.objectContaining({ code: 'invalid-header', message: expect.not.stringContaining('s3cret') }),
    );
  });
});
