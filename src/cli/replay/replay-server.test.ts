import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../base/index.js';
import { createEventParser, encodeComment, formatEvent } from '../../protocol/index.js';
import { toBlock } from './block.js';
import type { Block } from './block.js';
import { faultsOf } from './faults.js';
import type { Fault } from './faults.js';
import { generateBlocks, startReplay } from './index.js';
import type { Replay, ReplayOptions } from './index.js';

function events(...ids: readonly string[]): readonly Block[] {
  return ids.map((id, index) => toBlock(Buffer.from(formatEvent({ id, data: `d${index}` })), index * 100));
}

async function open(replay: Replay, headers: Record<string, string> = {}, path = ''): Promise<IncomingMessage> {
  const outgoing = request(`${replay.url}${path}`, { headers, agent: false }).end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return response;
}

interface Seen {
  readonly data: readonly string[];
  readonly lastEventId: string;
  readonly text: string;
  readonly wasCut: boolean;
}

/** Reads until the stream ends, or `count` events are there. */
async function read(response: IncomingMessage, count = Number.POSITIVE_INFINITY): Promise<Seen> {
  const data: string[] = [];
  let text = '';
  let wasCut = false;
  const parser = createEventParser({ onEvent: (event) => data.push(event.data) });
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      parser.push(chunk);
      if (data.length >= count) break;
    }
  } catch {
    wasCut = true;
  }
  response.destroy();
  return { data, lastEventId: parser.lastEventId, text, wasCut };
}

async function play(options: Partial<ReplayOptions>, headers?: Record<string, string>, path?: string): Promise<Seen> {
  await using replay = await startReplay({ blocks: events('1', '2', '3'), end: 'close', ...options });
  // Awaited here, or the server would be closed before the stream is read.
  return await read(await open(replay, headers, path));
}

/** Time that passes only when something waits for it. */
function instantClock(): Clock & { waits: number[] } {
  let now = 0;
  const waits: number[] = [];
  return {
    waits,
    now: () => now,
    after(delayMs, task) {
      waits.push(delayMs);
      now += delayMs;
      const timer = setImmediate(task);
      return () => clearImmediate(timer);
    },
  };
}

describe('startReplay()', () => {
  it('plays every block to everyone who connects', async () => {
    const comment = toBlock(encodeComment('ok'));
    const { data, text } = await play({ blocks: [comment, ...events('1', '2')] });
    expect(data).toEqual(['d0', 'd1']);
    expect(text.startsWith(': ok\n\n')).toBe(true);
  });

  it('goes on after the first block that carries the id, for ids repeat', async () => {
    const blocks = events('a', 'b', 'b', 'c', 'b');
    expect((await play({ blocks }, { 'Last-Event-ID': 'b' })).data).toEqual(['d2', 'd3', 'd4']);
  });

  it('lets the header beat the query, and starts at the beginning for an unknown id', async () => {
    expect((await play({}, { 'Last-Event-ID': '2' }, '?lastEventId=1')).data).toEqual(['d2']);
    expect((await play({}, {}, 'any/path?lastEventId=1')).data).toEqual(['d1', 'd2']);
    expect((await play({}, { 'Last-Event-ID': 'x' })).data).toEqual(['d0', 'd1', 'd2']);
  });

  it('understands an id beyond Latin-1', async () => {
    const id = Buffer.from('三').toString('latin1');
    expect((await play({ blocks: events('三', '2') }, { 'Last-Event-ID': id })).data).toEqual(['d1']);
  });

  it("keeps a recording's own times, on a schedule", async () => {
    const clock = instantClock();
    await play({ rate: 'recorded', clock, heartbeatMs: 0 });
    expect(clock.waits).toEqual([100, 100]);
  });

  it('keeps a chosen rate, and does not count comments', async () => {
    const clock = instantClock();
    const comment = toBlock(encodeComment());
    await play({ blocks: [comment, ...events('1', '2')], rate: 4, clock, heartbeatMs: 0 });
    expect(clock.waits).toEqual([250, 250]);
  });

  it('begins again with loop', async () => {
    await using replay = await startReplay({ blocks: events('1', '2'), isLooping: true });
    expect((await read(await open(replay), 5)).data.slice(0, 5)).toEqual(['d0', 'd1', 'd0', 'd1', 'd0']);
  });

  it('stays connected after the last event, with heartbeats', async () => {
    const clock = instantClock();
    await using replay = await startReplay({ blocks: events('1'), clock, heartbeatMs: 1000 });
    const response = await open(replay);
    let text = '';
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      if (text.includes(':\n\n:\n\n')) break;
    }
    expect(text.startsWith('id: 1\ndata: d0\n\n:\n\n')).toBe(true);
  });

  it('answers 204 to who has it all, on request', async () => {
    await using replay = await startReplay({ blocks: events('1', '2'), end: '204' });
    const first = await read(await open(replay));
    expect(first.wasCut).toBe(false);
    expect((await open(replay, { 'Last-Event-ID': first.lastEventId })).statusCode).toBe(204);
  });

  it('refuses other methods, and survives a request target that is no URL', async () => {
    await using replay = await startReplay({ blocks: events('1'), end: 'close' });
    expect((await fetch(replay.url, { method: 'POST' })).status).toBe(405);
    const socket = connect(Number(new URL(replay.url).port), '127.0.0.1');
    socket.end('GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let answer = '';
    for await (const chunk of socket as AsyncIterable<Buffer>) answer += chunk.toString();
    expect(answer).toContain('data: d0');
  });

  it('holds no more than a socket takes for a reader that does not read', async () => {
    const blocks = generateBlocks({ events: 20_000 });
    await using replay = await startReplay({ blocks, isLooping: true });
    const response = await open(replay);
    response.pause();
    // The server has stalled once its count stands still over many turns.
    let before = -1;
    while (before !== replay.stats.events) {
      before = replay.stats.events;
      for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
    }
    expect(replay.stats.events).toBeLessThan(20_000);
    response.destroy();
  });

  it('cuts in mid-event: the event is not read, and a resume loses nothing', async () => {
    const blocks = events(...Array.from({ length: 40 }, (_, index) => `i${index}`));
    await using replay = await startReplay({ blocks, end: '204', faults: { kinds: ['cut'], rate: 0.2, seed: 42 } });
    const data: string[] = [];
    const endings: string[] = [];
    let id = '';
    for (let tries = 0; tries < 100; tries += 1) {
      const response = await open(replay, id === '' ? {} : { 'Last-Event-ID': id });
      if (response.statusCode === 204) break;
      const seen = await read(response);
      data.push(...seen.data);
      id = seen.lastEventId === '' ? id : seen.lastEventId;
      endings.push(seen.wasCut ? `cut ${seen.text.endsWith('\n\n') ? 'between' : 'within'}` : 'whole');
    }
    expect(data).toEqual(blocks.map((_, index) => `d${index}`));
    expect(endings.filter((ending) => ending === 'cut within')).toHaveLength(replay.stats.cuts);
    expect(replay.stats.cuts).toBeGreaterThan(2);
    expect(replay.stats.resumed).toBeGreaterThan(2);
  });

  it('stalls in silence, then goes on', async () => {
    const clock = instantClock();
    const { data, text } = await play({ clock, stallMs: 60_000, faults: { kinds: ['stall'], rate: 1, seed: 1 } });
    expect(data).toEqual(['d0', 'd1', 'd2']);
    expect(text).not.toContain(':\n\n:');
    expect(clock.waits).toEqual([60_000, 60_000, 60_000]);
  });

  it('sends a block twice', async () => {
    const { data } = await play({ faults: { kinds: ['duplicate'], rate: 1, seed: 1 } });
    expect(data).toEqual(['d0', 'd0', 'd1', 'd1', 'd2', 'd2']);
  });

  it('refuses connections with 503, sometimes with Retry-After', async () => {
    await using replay = await startReplay({ blocks: events('1'), faults: { kinds: ['503'], rate: 1, seed: 3 } });
    const answers = await Promise.all(Array.from({ length: 12 }, () => fetch(replay.url)));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([503]));
    expect(new Set(answers.map((answer) => answer.headers.get('retry-after')))).toEqual(new Set(['1', null]));
    expect(replay.stats.refused).toBe(12);
  });

  it('cuts every connection at close', async () => {
    const replay = await startReplay({ blocks: events('1') });
    const response = await open(replay);
    await replay.close();
    expect((await read(response)).wasCut).toBe(true);
    expect(replay.stats.connections).toBe(1);
  });
});

describe('faultsOf()', () => {
  const all: readonly Fault[] = ['cut', '503', 'stall', 'duplicate'];
  const draw = (connection: number, seed: number): unknown[] => {
    const faults = faultsOf(connection, { kinds: all, rate: 0.3, seed });
    return [faults.onConnect(), ...Array.from({ length: 50 }, () => faults.onEvent(120))];
  };

  it('does the same for the same seed and connection, and else not', () => {
    expect(draw(3, 42)).toEqual(draw(3, 42));
    expect(draw(3, 42)).not.toEqual(draw(4, 42));
    expect(draw(3, 42)).not.toEqual(draw(3, 43));
  });

  it('never lets a cut send the whole event', () => {
    const cuts = draw(0, 1).flatMap((fault) => (fault as { afterBytes?: number } | undefined)?.afterBytes ?? []);
    expect(cuts.length).toBeGreaterThan(5);
    expect(Math.min(...cuts)).toBeGreaterThan(0);
    expect(Math.max(...cuts)).toBeLessThan(119);
  });
});
