// A Redis of memory, with nodes that are killed, cut off and refused at any step; the real one is in test/integration.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ManualClock } from '../../../../test/support/clocks.js';
import { createCapturingLogger } from '../../../../test/support/capturing-logger.js';
import { HubError } from '../../errors.js';
import { Bridge } from './bridge.js';
import type { BridgedEvent, BridgeMove, BridgeOutcome, BridgePort } from './bridge-port.js';
import { isBehind } from './heard.js';
import type { HeardMessage, Mark } from './heard.js';
import { BRIDGE_LEASE_MS } from './limits.js';

const LIMITS = { messages: 10_000, bytes: 10_000_000 };

function read({ payload }: HeardMessage): BridgedEvent {
  if (payload.length === 0) throw new HubError('invalid-json', 'none');
  return { channel: 'a', event: { data: payload.toString() } };
}

class MemoryRedis {
  readonly clock = new ManualClock();
  readonly placed: string[] = [];
  readonly listening = new Set<Node>();
  mark: Mark | undefined;
  lease: { readonly node: Node; readonly untilMs: number } | undefined;
  #term = 0;

  publish(text: string): void {
    for (const node of this.listening) node.take(text);
  }

  begin(): void {
    this.#term += 1;
    for (const node of this.listening) node.mark(this.#term);
  }

  hold(node: Node, isWanted: boolean): 'this' | 'other' | 'none' {
    if (this.lease !== undefined && this.lease.untilMs <= this.clock.now()) this.lease = undefined;
    const isFree = this.lease === undefined || this.lease.node === node;
    if (isFree) this.lease = isWanted ? { node, untilMs: this.clock.now() + BRIDGE_LEASE_MS } : undefined;
    if (this.lease === undefined) return 'none';
    return this.lease.node === node ? 'this' : 'other';
  }

  place({ from, to, event }: BridgeMove): BridgeOutcome {
    if (this.mark !== undefined && !isBehind(to, this.mark)) return 'known';
    if (this.mark !== undefined && (from?.term !== this.mark.term || from.index !== this.mark.index)) return 'moved';
    this.mark = to;
    if (event !== undefined) this.placed.push(event.event.data);
    return 'placed';
  }
}

class Node {
  readonly bridge: Bridge;
  /** What it heard behind a marker. */
  readonly counted: string[] = [];
  #isCounting = false;
  readonly logger = createCapturingLogger();
  isKilled = false;
  /** What comes of the next steps: refused before they are made, or after. */
  readonly faults: ('before' | 'after')[] = [];
  readonly #redis: MemoryRedis;

  constructor(redis: MemoryRedis) {
    this.#redis = redis;
    const port: BridgePort = {
      begin: () => this.#ask(() => redis.begin()),
      lease: (isWanted) => this.#ask(() => ({ holder: redis.hold(this, isWanted), mark: redis.mark })),
      place: (move) => this.#ask(() => redis.place(move)),
    };
    this.bridge = new Bridge({ port, read, limits: LIMITS, clock: redis.clock, logger: this.logger });
    this.connect();
  }

  mark(term: number): void {
    this.#isCounting = true;
    this.bridge.begin(term);
  }

  take(text: string): void {
    if (this.#isCounting) this.counted.push(text);
    this.bridge.hear({ channel: Buffer.from('c'), payload: Buffer.from(text), bytes: text.length });
  }

  connect(): void {
    if (this.isKilled || this.#redis.listening.has(this)) return;
    this.#redis.listening.add(this);
    this.bridge.up();
  }

  cut(): void {
    this.#redis.listening.delete(this);
    this.#isCounting = false;
    this.bridge.down();
  }

  kill(): void {
    this.isKilled = true;
    this.cut();
  }

  async #ask<Answer>(work: () => Answer): Promise<Answer> {
    await Promise.resolve();
    const fault = this.isKilled ? 'before' : this.faults.shift();
    if (fault === 'before') throw new HubError('backplane-unavailable', 'before');
    const answer = work();
    if (fault === 'after') throw new HubError('backplane-unavailable', 'after');
    return answer;
  }
}

async function settle(redis: MemoryRedis, ms = 0): Promise<void> {
  for (let passed = 0; ; passed += 250) {
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    if (passed >= ms) return;
    redis.clock.advance(250);
  }
}

async function closeAll(redis: MemoryRedis, nodes: readonly Node[]): Promise<void> {
  const closing = Promise.all(nodes.map((node) => node.bridge.close()));
  await settle(redis, 3000);
  await closing;
}

type Step =
  | { readonly do: 'publish'; readonly count: number }
  | { readonly do: 'kill' | 'cut' | 'connect' | 'spawn' | 'before' | 'after'; readonly node: number }
  | { readonly do: 'wait'; readonly ms: number };

const node = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('kill', 'cut', 'connect', 'spawn', 'before', 'after'), node }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 0, 250, 1000) }) },
);

describe('Bridge', () => {
  it('publishes each message once and in order, whoever is killed, cut off or refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const redis = new MemoryRedis();
        const nodes = [new Node(redis), new Node(redis)];
        let number = 0;
        await settle(redis, 500);
        for (const one of steps) {
          if (one.do === 'publish') for (let at = 0; at < one.count; at += 1) redis.publish(String((number += 1)));
          else if (one.do === 'wait') await settle(redis, one.ms);
          else if (one.do === 'spawn') nodes.push(new Node(redis));
          else if (one.do === 'before' || one.do === 'after') nodes[one.node]?.faults.push(one.do);
          else nodes[one.node]?.[one.do]();
        }
        nodes.push(new Node(redis));
        await settle(redis, 12_000);
        expect(redis.placed.map(Number)).toEqual([...new Set(redis.placed.map(Number))].toSorted((a, b) => a - b));
        // Who lived and had heard it since the first marker that it heard has it published.
        const heard = nodes.filter(({ isKilled }) => !isKilled).flatMap((alive) => alive.counted);
        expect(redis.placed).toEqual(expect.arrayContaining(heard));
        expect(nodes.filter(({ isKilled, bridge }) => !isKilled && bridge.isHeld)).toHaveLength(1);
        expect(nodes.filter(({ isKilled }) => !isKilled).every(({ bridge }) => bridge.waiting === 0)).toBe(true);
        await closeAll(redis, nodes);
      }),
      { numRuns: 150 },
    );
  });

  it('passes over what cannot be read, and says so once a second', async () => {
    const redis = new MemoryRedis();
    const alone = new Node(redis);
    await settle(redis, 500);
    for (const text of ['a', '', '', 'b', '']) redis.publish(text);
    await settle(redis, 2000);
    redis.publish('');
    await settle(redis, 500);
    expect(redis.placed).toEqual(['a', 'b']);
    expect([...alone.bridge.refusals.counts]).toEqual([['invalid-json', 4]]);
    const said = alone.logger.lines.filter(({ level }) => level === 'warn');
    expect(said.map(({ fields }) => fields['refused'])).toEqual([1, 3]);
    await closeAll(redis, [alone]);
  });

  it('passes over the one message that makes Redis fail', async () => {
    const redis = new MemoryRedis();
    const alone = new Node(redis);
    const place = redis.place.bind(redis);
    redis.place = (move) => {
      if (move.event?.event.data === 'bad') throw new Error('WRONGTYPE');
      return place(move);
    };
    await settle(redis, 500);
    for (const text of ['a', 'bad', 'b', 'c']) redis.publish(text);
    await settle(redis, 3000);
    expect(redis.placed).toEqual(['a', 'b', 'c']);
    expect([...alone.bridge.refusals.counts]).toEqual([['internal', 1]]);
    await closeAll(redis, [alone]);
  });

  it('leaves a hole open for a while to who can fill it', async () => {
    const redis = new MemoryRedis();
    const nodes = [new Node(redis), new Node(redis)];
    await settle(redis, 1000);
    const [holder, slow] = nodes.toSorted((a, b) => Number(b.bridge.isHeld) - Number(a.bridge.isHeld));
    redis.publish('a');
    await settle(redis);
    holder?.kill();
    redis.publish('b');
    nodes.push(new Node(redis));
    await settle(redis);
    redis.publish('c');
    // Until more than a second after the lease of the killed one is over.
    while ((redis.lease?.untilMs ?? 0) > redis.clock.now()) {
      slow?.faults.splice(0, 9, 'before', 'before', 'before');
      await settle(redis, 250);
    }
    await settle(redis, 6000);
    expect(redis.placed).toEqual(['a', 'b', 'c']);
    expect(nodes.map(({ bridge }) => bridge.holes)).toEqual([0, 0, 0]);
    await closeAll(redis, nodes);
  });

  it('says when it may have left something out', async () => {
    const redis = new MemoryRedis();
    const first = new Node(redis);
    await settle(redis, 500);
    redis.publish('a');
    await settle(redis);
    first.kill();
    redis.publish('lost');
    const second = new Node(redis);
    await settle(redis, 250);
    redis.publish('b');
    await settle(redis, 6000);
    expect(redis.placed).toEqual(['a', 'b']);
    expect([first.bridge.holes, second.bridge.holes]).toEqual([0, 1]);
    await closeAll(redis, [first, second]);
  });
});
