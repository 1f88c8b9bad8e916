import { afterEach, describe, expect, it } from 'vitest';
import { closeServers, gone, open, serve, stream } from '../../test/support/scripted-server.js';
import { formatEvent } from '../protocol/index.js';
import { openSubscription } from './index.js';

afterEach(closeServers);

const blocks = [
  open(),
  formatEvent({ id: '~aaaaaaaa-1', event: 'edit', data: '1' }),
  formatEvent({ event: 'tidegate.live', data: '{}' }),
  formatEvent({ id: '~aaaaaaaa-2', data: '2' }),
  formatEvent({ event: 'tidegate.end', data: '{"channel":"a"}' }),
];

describe('openSubscription()', () => {
  it('calls the listeners of each kind, in order, and is closed when the channel ends', async () => {
    const { url } = await serve(stream(blocks));
    const subscription = openSubscription({ url, channels: ['a'] });
    const heard: string[] = [];
    subscription.on('event', ({ type, data }) => heard.push(`${type} ${data}`));
    subscription.on('event', ({ data }) => heard.push(`again ${data}`));
    subscription.on('status', ({ state }) => heard.push(state));
    subscription.on('end', ({ channel }) => heard.push(`end of ${channel}`));
    await subscription.closed;
    expect(heard).toEqual(['connected', 'edit 1', 'again 1', 'message 2', 'again 2', 'end of a']);
  });

  it('delivers nothing more while a listener is busy', async () => {
    const { url } = await serve(stream(blocks));
    const heard: string[] = [];
    const subscription = openSubscription({ url, channels: ['a'] });
    subscription.on('event', async ({ data }) => {
      heard.push(`begin ${data}`);
      await new Promise((resolve) => setImmediate(resolve));
      heard.push(`done ${data}`);
    });
    await subscription.closed;
    expect(heard).toEqual(['begin 1', 'done 1', 'begin 2', 'done 2']);
  });

  it('calls a listener no more that was taken away', async () => {
    const { url } = await serve(stream(blocks));
    const heard: string[] = [];
    const subscription = openSubscription({ url, channels: ['a'] });
    const takeAway = subscription.on('event', ({ data }) => {
      heard.push(data);
      takeAway();
    });
    await subscription.closed;
    expect(heard).toEqual(['1']);
  });

  it('close() ends it at once: no listener is called after', async () => {
    const { url } = await serve(stream(blocks, 'stay'));
    const heard: string[] = [];
    await using subscription = openSubscription({ url, channels: ['a'] });
    subscription.on('event', ({ data }) => {
      heard.push(data);
      subscription.close();
    });
    subscription.on('event', ({ data }) => heard.push(`again ${data}`));
    await subscription.closed;
    expect(heard).toEqual(['1']);
  });

  it('is closed with a refusal, or with what a listener threw', async () => {
    const { url } = await serve((_request, response) => response.writeHead(403).end(), stream(blocks, 'stay'));
    await expect(openSubscription({ url, channels: ['a'] }).closed).rejects.toMatchObject({ code: 'http-403' });
    const subscription = openSubscription({ url, channels: ['a'] });
    subscription.on('live', () => Promise.reject(new Error('listener')));
    await expect(subscription.closed).rejects.toThrow('listener');
  });

  it('ends with the signal of its options too', async () => {
    const { url, requests } = await serve(gone);
    await openSubscription({ url, channels: ['a'], signal: AbortSignal.abort() }).closed;
    const stop = new AbortController();
    const subscription = openSubscription({ url, channels: ['a'], signal: stop.signal });
    stop.abort();
    await subscription.closed;
    expect(requests).toEqual([]);
  });
});
