import { expect, test } from 'vitest';

import { createSeededRandom } from '../../src/base/index.js';
import { HubError } from '../../src/hub/index.js';
import type { HubOptions } from '../../src/hub/index.js';
import { isControlType } from '../../src/protocol/index.js';
import { checkDelivery } from '../support/checker.js';
import type { PublishedEvent, ReceivedItem } from '../support/checker.js';
import { HubServer } from '../support/hub-server.js';
import type { StreamClient } from '../support/stream-client.js';

const CHANNELS = ['a', 'b', 'c', 'd'];
const READERS = 10;
const BURSTS = 80;

type Random = () => number;
const isLive = ({ types }: StreamClient): boolean => types.includes('tidegate.live');
const below = (random: Random, count: number): number => Math.floor(random() * count);

interface Reader {
  readonly channels: readonly string[];
  readonly query: string;
  readonly isEnvelope: boolean;
  readonly received: ReceivedItem[];
  lastEventId: string;
}

/** Follows one channel or several, in one form or the other. */
function createReader(random: Random): Reader {
  const some = CHANNELS.filter(() => random() < 0.4);
  const channels = some.length === 0 ? [CHANNELS[below(random, CHANNELS.length)] ?? 'a'] : some;
  const isEnvelope = random() < 0.3;
  const query = `?${channels.map((name) => `channel=${name}`).join('&')}${isEnvelope ? '&envelope=json' : ''}`;
  return { channels, query, isEnvelope, received: [], lastEventId: '' };
}

/** What a client got, gaps in their places. The channel is the first character of an event's data. */
function itemsOf(client: StreamClient, isEnvelope: boolean): readonly ReceivedItem[] {
  return client.events.flatMap(({ type, data }): readonly ReceivedItem[] => {
    if (type === 'tidegate.gap') return [{ kind: 'gap', channel: String(JSON.parse(data).channel) }];
    if (isControlType(type)) return [];
    const key = isEnvelope ? String(JSON.parse(data).data) : data;
    return [{ kind: 'event', channel: key.slice(0, 1), key }];
  });
}

/** One hub, its publisher and its readers, all by one seed. */
class Storm {
  readonly published: PublishedEvent[] = [];
  readonly readers: readonly Reader[];
  readonly #hub: HubServer;
  readonly #random: Random;
  readonly #ended = new Set<string>();
  #isOver = false;

  constructor(hub: HubServer, random: Random) {
    this.#hub = hub;
    this.#random = random;
    this.readers = Array.from({ length: READERS }, () => createReader(random));
  }

  async blow(): Promise<void> {
    // With a cursor from before the first event, all of them must come, or a gap in their place.
    await Promise.all(this.readers.map((reader) => this.#read(reader, isLive)));
    await Promise.all([this.#publishAll(), ...this.readers.map((reader) => this.#comeAndGo(reader))]);
    await Promise.all(
      this.readers.map(async (reader) => {
        // A stream of ended channels is never live: who has it all gets 204.
        for (let left = 5; left > 0 && (await this.#read(reader, isLive)) === 'ended'; left -= 1);
      }),
    );
  }

  async #publishAll(): Promise<void> {
    for (let burst = 0; burst < BURSTS; burst += 1) {
      for (let left = below(this.#random, 40); left > 0; left -= 1) await this.#publishOne();
      if (burst > BURSTS / 2 && this.#random() < 0.05) await this.#endOne();
      for (let turns = below(this.#random, 4); turns > 0; turns -= 1) await new Promise(setImmediate);
    }
    this.#isOver = true;
  }

  async #publishOne(): Promise<void> {
    const random = this.#random;
    const channel = CHANNELS[below(random, CHANNELS.length)] ?? 'a';
    if (this.#ended.has(channel)) return;
    const number = this.published.length;
    const key = `${channel} ${number} ${'x'.repeat(random() ** 4 * 20_000)}`;
    const event = {
      ...(random() < 0.2 ? { id: `own ${number}` } : {}),
      ...(random() < 0.2 ? { event: 'kind' } : {}),
      idempotencyKey: String(number),
    };
    await this.#hub.hub.publish(channel, { ...event, data: key });
    this.published.push({ channel, key });
    if (random() > 0.1) return;
    const isNew = await this.#hub.hub.publish(channel, { ...event, data: `${key} again` }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof HubError && error.code === 'idempotency-mismatch') return false;
        throw error;
      },
    );
    if (isNew) {
      this.published.push({ channel, key: `${key} again` });
      return;
    }
    const { isDuplicate } = await this.#hub.hub.publish(channel, { ...event, data: key });
    if (!isDuplicate) throw new Error(`The hub published ${number} twice`);
  }

  async #endOne(): Promise<void> {
    const channel = CHANNELS[below(this.#random, CHANNELS.length)] ?? 'a';
    this.#ended.add(channel);
    await this.#hub.hub.end(channel);
  }

  async #comeAndGo(reader: Reader): Promise<void> {
    while (!this.#isOver) {
      const enough = below(this.#random, 60);
      const isEnough = (client: StreamClient): boolean => this.#isOver || client.events.length > enough;
      if ((await this.#read(reader, isEnough)) === 'over') return;
    }
  }

  /** One connection, cut as soon as it has enough; at times it reads nothing for a while first. */
  async #read(reader: Reader, isEnough: (client: StreamClient) => boolean): Promise<'cut' | 'ended' | 'over'> {
    const headers: Record<string, string> = reader.lastEventId === '' ? {} : { 'Last-Event-ID': reader.lastEventId };
    const client = await this.#hub.subscribe(reader.query, headers);
    if (client.status === 204) return 'over';
    if (client.status !== 200) throw new Error(`Cannot read on: status ${client.status}`);
    if (this.#random() < 0.3) {
      client.pause();
      for (let turns = below(this.#random, 60); turns > 0; turns -= 1) await new Promise(setImmediate);
      client.resume();
    }
    await client.until((now) => now.isEnded || isEnough(now));
    const end = client.isEnded ? 'ended' : 'cut';
    await client[Symbol.asyncDispose]();
    // Cut before anything came, a client keeps the id it has.
    if (client.lastEventId !== '') reader.lastEventId = client.lastEventId;
    reader.received.push(...itemsOf(client, reader.isEnvelope));
    return end;
  }
}

const HISTORIES: readonly NonNullable<HubOptions['history']>[] = [
  {},
  { events: 25 },
  { bytes: 30_000 },
  { totalBytes: 120_000 },
  { events: 200, totalBytes: 300_000 },
];

/** `npm run test:full` asks for more of them. */
const SEEDS = Number(process.env['TIDEGATE_TEST_SEEDS'] ?? 10);

test.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
  'whatever is published and whoever comes and goes, nothing is lost without a gap, repeated or reordered (seed %i)',
  async (seed) => {
    // Heartbeats wake readers that wait for events when there are none any more.
    await using hub = await HubServer.start({ history: HISTORIES[seed % HISTORIES.length] ?? {}, heartbeatMs: 50 });
    const storm = new Storm(hub, createSeededRandom(seed));
    await storm.blow();
    const delivered = storm.readers.map(({ channels, received, query, isEnvelope }, at) => ({
      name: `reader ${at} ${query}`,
      channels,
      received,
      mayRepeat: isEnvelope || channels.length > 1,
    }));
    const faults = checkDelivery(storm.published, delivered);
    expect(faults.map(({ subscriber, kind, key }) => `${subscriber}: ${kind} ${key.slice(0, 20)}`)).toEqual([]);
    expect(storm.published.length).toBeGreaterThan(BURSTS);
  },
  60_000,
);
