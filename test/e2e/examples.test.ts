import { afterEach, describe, expect, it } from 'vitest';
import { createEventParser } from '../../src/protocol/index.js';

interface Example {
  readonly url: string;
  close(): Promise<void>;
}

interface Options {
  readonly port: number;
  readonly tokenDelayMs?: number;
}

const running: Example[] = [];
afterEach(async () => {
  for (const example of running.splice(0)) await example.close();
});

/** Starts an example as its own users would: from its file, against the built package. */
async function startExample(folder: string, options: Partial<Options> = {}): Promise<string> {
  const file = new URL(`../../examples/${folder}/server.mjs`, import.meta.url).href;
  const { start } = (await import(file)) as { readonly start: (options: Options) => Promise<Example> };
  const example = await start({ port: 0, ...options });
  running.push(example);
  return example.url;
}

interface Heard {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/** Reads a stream until it ends or `isEnough` says so. */
async function read(
  url: string,
  isEnough: (heard: readonly Heard[]) => boolean,
  headers: Record<string, string> = {},
): Promise<readonly Heard[]> {
  const heard: Heard[] = [];
  const parser = createEventParser({ onEvent: (event) => heard.push(event) });
  const response = await fetch(url, { headers });
  for await (const bytes of response.body ?? []) {
    parser.push(bytes);
    if (isEnough(heard)) break;
  }
  return heard;
}

const dataOf = (heard: readonly Heard[], type: string): readonly unknown[] =>
  heard.filter((event) => event.type === type).map(({ data }) => JSON.parse(data) as unknown);

describe('examples/browser-page start()', () => {
  it('serves its page and streams what is published', async () => {
    const url = await startExample('browser-page');
    expect(await (await fetch(url)).text()).toContain('<title>Notices');
    expect((await fetch(`${url}page.js`)).headers.get('content-type')).toContain('text/javascript');
    await fetch(`${url}publish/notices`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ event: 'notice', data: { text: 'hello' } }),
    });
    const heard = await read(`${url}subscribe/notices?last=20`, (events) => dataOf(events, 'notice').length > 0);
    expect(dataOf(heard, 'notice')).toEqual([{ text: 'hello' }]);
  });
});

describe('examples/embedded start()', () => {
  it('keeps its own routes and publishes from them', async () => {
    const url = await startExample('embedded');
    const made = await fetch(`${url}orders`, { method: 'POST', body: 'one lighthouse' });
    expect(await made.json()).toMatchObject({ number: 1, item: 'one lighthouse' });
    expect(await (await fetch(`${url}orders`)).json()).toEqual([{ number: 1, item: 'one lighthouse' }]);
    expect((await fetch(`${url}eventsuffix`)).status).toBe(404);
    const heard = await read(
      `${url}events/subscribe/orders?last=all`,
      (events) => dataOf(events, 'order.created').length > 0,
    );
    expect(dataOf(heard, 'order.created')).toEqual([{ number: 1, item: 'one lighthouse' }]);
  });
});

describe('examples/llm-stream start()', () => {
  it('gives the whole answer to who comes late, and the rest to who comes back', async () => {
    const url = await startExample('llm-stream', { tokenDelayMs: 1 });
    const { channel } = (await (await fetch(`${url}ask`, { method: 'POST' })).json()) as { readonly channel: string };
    const stream = `${url}subscribe/${channel}?last=all`;
    const first = await read(stream, (events) => dataOf(events, 'token').length >= 5);
    const lastEventId = first.at(-1)?.lastEventId ?? '';
    const rest = await read(stream, () => false, { 'Last-Event-ID': lastEventId });
    const whole = await read(stream, () => false);
    expect(whole.map(({ type }) => type)).toContain('tidegate.end');
    expect(dataOf(rest, 'token').length).toBeGreaterThan(0);
    expect([...dataOf(first, 'token'), ...dataOf(rest, 'token')]).toEqual(dataOf(whole, 'token'));
    expect((await fetch(stream, { headers: { 'Last-Event-ID': whole.at(-1)?.lastEventId ?? '' } })).status).toBe(204);
  });
});
