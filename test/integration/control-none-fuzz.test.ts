import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { isControlType } from '../../src/protocol/index.js';
import { checkDelivery } from '../support/checker.js';
import type { PublishedEvent, ReceivedItem } from '../support/checker.js';
import { HubServer } from '../support/hub-server.js';
import { readByStandard } from '../support/standard-reader.js';

const CHANNELS = ['a', 'b', 'c'];

type Step =
  | {
      readonly kind: 'publish';
      readonly channel: string;
      readonly ownId: boolean;
      readonly type: string;
      readonly size: number;
    }
  | { readonly kind: 'end'; readonly channel: string }
  /** Connects, hears `live` more events if they are published meanwhile, and is cut after `part` of all bytes. */
  | { readonly kind: 'read'; readonly part: number; readonly live: number; readonly isAllAsked: boolean };

const channel = fc.constantFrom(...CHANNELS);
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('publish' as const),
        channel,
        ownId: fc.boolean(),
        type: fc.constantFrom('', 'price', 'error'),
        size: fc.nat({ max: 50 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), channel }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
        live: fc.nat({ max: 3 }),
        isAllAsked: fc.boolean(),
      }),
    },
  ),
  { minLength: 5, maxLength: 40 },
);

interface Reader {
  readonly channels: readonly string[];
  readonly query: string;
  readonly isEnvelope: boolean;
  readonly received: ReceivedItem[];
  lastEventId: string;
  /** Sent as `last=all` while it has no id. */
  isAllAsked: boolean;
  mayRepeat: boolean;
  lossesTold: number;
}

/** A hub, and a client that follows nothing but ids and data as the HTML standard has them. */
class Run {
  readonly published: PublishedEvent[] = [];
  readonly reader: Reader;
  /** What no stream without control events may hold. */
  readonly faults: string[] = [];
  readonly #hub: HubServer;
  readonly #ended = new Set<string>();

  constructor(hub: HubServer, channels: readonly string[], isEnvelope: boolean) {
    this.#hub = hub;
    const names = channels.map((name) => `channel=${name}`).join('&');
    const query = `?${names}&control=none${isEnvelope ? '&envelope=json' : ''}`;
    const mayRepeat = channels.length > 1;
    this.reader = {
      channels,
      query,
      isEnvelope,
      received: [],
      lastEventId: '',
      isAllAsked: false,
      mayRepeat,
      lossesTold: 0,
    };
  }

  async take(step: Step): Promise<void> {
    if (step.kind === 'publish') return this.publish(step);
    if (step.kind === 'read') return this.read(step);
    if (this.#ended.has(step.channel)) return;
    this.#ended.add(step.channel);
    await this.#hub.hub.end(step.channel);
  }

  async publish(step: Step & { readonly kind: 'publish' }): Promise<void> {
    if (this.#ended.has(step.channel)) return;
    const key = `${step.channel} ${this.published.length} ${'x'.repeat(step.size)}`;
    const fields = { data: key, ...(step.type === '' ? {} : { event: step.type }) };
    await this.#hub.hub.publish(step.channel, step.ownId ? { ...fields, id: `own ${step.size}` } : fields);
    this.published.push({ channel: step.channel, key });
  }

  async read({ part, live, isAllAsked }: Omit<Step & { readonly kind: 'read' }, 'kind'>): Promise<void> {
    const { reader } = this;
    const headers: Record<string, string> = reader.lastEventId === '' ? {} : { 'Last-Event-ID': reader.lastEventId };
    await using client = await this.#hub.subscribe(reader.query + (reader.isAllAsked ? '&last=all' : ''), headers);
    if (client.status === 204) return;
    if (client.status === 410) {
      await client.ended();
      return this.#lose(String(JSON.parse(client.raw).resumedAt), isAllAsked);
    }
    if (client.status !== 200) throw new Error(`Cannot read on: status ${client.status}`);
    for (let left = live; left > 0; left -= 1) {
      const name = reader.channels[left % reader.channels.length] ?? 'a';
      await this.publish({ kind: 'publish', channel: name, ownId: left === 1, type: '', size: left });
    }
    // Whatever is newest is kept: it comes, unless the client has it.
    const newest = this.published.findLast(({ channel: name }) => reader.channels.includes(name))?.key;
    const hasNewest =
      newest === undefined || reader.received.some((item) => item.kind === 'event' && item.key === newest);
    await client
      .until(({ raw, isEnded }) => isEnded || (raw.includes('\n\n') && (hasNewest || raw.includes(newest))))
      .catch(() => undefined);
    this.#hear(client.raw.slice(0, Math.round(client.raw.length * part)));
  }

  #hear(raw: string): void {
    const { reader } = this;
    const { events, lastEventId } = readByStandard(raw, reader.lastEventId);
    for (const { type, data } of events) {
      if (isControlType(type)) this.faults.push(`a control event: ${type}`);
      const key = reader.isEnvelope ? (JSON.parse(data) as { data: string }).data : data;
      reader.received.push({ kind: 'event', channel: key.slice(0, 1), key });
    }
    if (!/^(~[0-9a-z]+-\d+)?$/.test(lastEventId)) this.faults.push(`an id that is no cursor: ${lastEventId}`);
    reader.lastEventId = lastEventId;
  }

  /** The client chose: what is kept, from its beginning, or on from where nothing more is lost. */
  #lose(resumedAt: string, isAllAsked: boolean): void {
    const { reader } = this;
    reader.lossesTold += 1;
    for (const name of reader.channels) reader.received.push({ kind: 'gap', channel: name });
    reader.mayRepeat ||= isAllAsked;
    reader.isAllAsked = isAllAsked;
    reader.lastEventId = isAllAsked ? '' : resumedAt;
  }
}

/** Small enough that almost every run loses something, and large enough that none does. */
const HISTORIES = [
  { history: { events: 3 }, isLossy: true },
  { history: {}, isLossy: false },
] as const;

test.each(HISTORIES)(
  'A client that follows only ids and data gets each event once and in order, or is told of a loss by 410 ($history)',
  async ({ history, isLossy }) => {
    let losses = 0;
    const property = fc.asyncProperty(
      steps,
      fc.subarray(CHANNELS, { minLength: 1 }),
      fc.boolean(),
      async (taken, channels, isEnvelope) => {
        await using hub = await HubServer.start({ history });
        const run = new Run(hub, channels, isEnvelope);
        // From the first event on: its id is a cursor from before it.
        await run.read({ part: 1, live: 0, isAllAsked: false });
        for (const step of taken) await run.take(step);
        // A loss, then what is kept.
        for (let left = 3; left > 0; left -= 1) await run.read({ part: 1, live: 0, isAllAsked: false });
        const { received, query, mayRepeat, lossesTold } = run.reader;
        losses += lossesTold;
        expect(run.faults).toEqual([]);
        expect(checkDelivery(run.published, [{ name: query, channels, received, mayRepeat }])).toEqual([]);
      },
    );
    await fc.assert(property, { numRuns: 60 });
    expect(losses > 0).toBe(isLossy);
  },
  120_000,
);
