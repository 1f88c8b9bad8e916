import { describe, expect, it } from 'vitest';
import { JumpingClock } from '../../../test/support/clocks.js';
import { dataOf, readSource } from '../../../test/support/reading.js';
import { startUpstream, status } from '../../../test/support/upstream.js';
import type { Step } from '../../../test/support/upstream.js';
import type { Source } from './source.js';
import { createNdjsonSource } from './ndjson.js';
import type { NdjsonSourceOptions } from './ndjson.js';

function send(body: string, then: 'end' | 'cut', contentType = 'application/x-ndjson'): Step {
  return (response) => {
    response.writeHead(200, { 'content-type': contentType });
    response.write(body, () => (then === 'end' ? response.end() : response.destroy()));
  };
}

function create(options: NdjsonSourceOptions): Source {
  return createNdjsonSource({ clock: new JumpingClock(), idleTimeoutMs: 0, ...options });
}

describe('createNdjsonSource()', () => {
  it('reads lines, and goes on by id in header and query', async () => {
    const urls: (string | undefined)[] = [];
    await using upstream = await startUpstream(
      send('{"id":"1"}\n\n{"id":"2"}\n{"id":"3', 'cut'),
      (response, request) => {
        urls.push(request.url);
        send('{"id":"3","type":"tidegate.end"}\n', 'end')(response, request);
      },
    );
    const source = create({ url: upstream.url, idField: '/id', typeField: '/type', resumeQuery: { after: '{id}' } });
    const { items, error } = await readSource(source);
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(['{"id":"1"}', '{"id":"2"}', '{"id":"3","type":"tidegate.end"}']);
    expect(items[2]).toMatchObject({ resumeId: '3', event: { id: '3', type: 'tidegate.end' } });
    expect(upstream.requests[1]).toMatchObject({ accept: expect.stringContaining('ndjson'), 'last-event-id': '2' });
    expect(urls).toEqual(['/stream?after=2']);
    expect(source.stats().reconnects).toEqual({ broken: 1, closed: 1 });
  });

  it('records what it missed of lines without an id', async () => {
    await using upstream = await startUpstream(send('{"a":1}\n', 'cut'), send('{"a":2}', 'end'));
    const { items } = await readSource(create({ url: upstream.url }));
    expect(items.map(({ kind }) => kind)).toEqual(['event', 'gap', 'event']);
  });

  it.each(['text/html; charset=utf-8', 'text/event-stream'])('does not take %s for lines', async (contentType) => {
    await using upstream = await startUpstream(send('<p>no</p>\n', 'end', contentType), status(204));
    const source = create({ url: upstream.url });
    expect(dataOf((await readSource(source)).items)).toEqual([]);
    expect(source.stats().reconnects).toEqual({ 'not-an-event-stream': 1 });
  });

  it('refuses a field that is no pointer', () => {
    expect(() => createNdjsonSource({ url: 'http://a.example/', idField: 'id' })).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    );
  });
});
