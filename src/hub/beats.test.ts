import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ANONYMOUS } from './auth/access.js';
import { Beats, TICKS_PER_HEARTBEAT } from './beats.js';
import type { FlushBytes } from './flush-bytes.js';
import { Pings } from './compat/pings.js';
import { Feed } from './feed.js';
import { createCounters } from './metrics.js';
import { Subscriber } from './subscriber.js';
import type { Outlet } from './subscriber.js';

const HEARTBEAT_MS = 1600;
const TICK_MS = HEARTBEAT_MS / TICKS_PER_HEARTBEAT;
/** How late a timer comes, at most, beside its interval: it drifts, as Node's does. */
const LATE_TICKS_MAX = 0.3;

const EVENT = Buffer.from('data: x\n\n');

/** Writes down when it was written to, and complains of silence. */
class TimedOutlet implements Outlet {
  readonly socket = undefined;
  pendingBytes = 0;
  readonly texts: string[] = [];
  readonly atMs: number[] = [];
  isDestroyed = false;
  resume = (): void => undefined;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  write(bytes: Uint8Array): boolean {
    this.texts.push(Buffer.from(bytes).toString());
    this.atMs.push(this.#nowMs());
    return this.pendingBytes === 0;
  }

  flush({ plain }: FlushBytes): boolean {
    return this.write(plain);
  }

  get silenceMs(): number {
    return this.#nowMs() - (this.atMs.at(-1) ?? 0);
  }

  /** The longest time between two writes, of which the second is `text` or any. */
  gapsMs(text?: string): readonly number[] {
    return this.atMs.flatMap((atMs, at) =>
      at > 0 && (text === undefined || this.texts[at] === text) ? [atMs - (this.atMs[at - 1] ?? 0)] : [],
    );
  }

  onDrain(resume: () => void): void {
    this.resume = resume;
  }

  end(): void {}

  destroy(): void {
    this.isDestroyed = true;
  }

  destroyConnection(): void {
    this.isDestroyed = true;
  }
}

interface Member {
  readonly subscriber: Subscriber;
  readonly outlet: TimedOutlet;
}

/** The wheel and its subscribers, in a time that moves when it is told to. */
class World {
  nowMs = 5000;
  readonly beats: Beats<Subscriber>;
  readonly counters = createCounters();
  members: Member[] = [];
  looks = 0;
  readonly #stallTimeoutMs: number;

  constructor(stallTimeoutMs = 60_000) {
    this.#stallTimeoutMs = stallTimeoutMs;
    this.beats = new Beats({
      heartbeatMs: HEARTBEAT_MS,
      lookMsMax: stallTimeoutMs / 4,
      nowMs: () => this.nowMs,
      defer: (task) => task(),
    });
  }

  join(pings?: Pings): Member {
    const outlet = new TimedOutlet(() => this.nowMs);
    const { beats } = this;
    const subscriber = new Subscriber({
      access: ANONYMOUS,
      connection: { id: '', channels: [], address: '', openedAtMs: 0 },
      feed: new Feed({ channels: [], read: () => undefined }),
      outlet,
      offset: 0,
      pings,
      context: {
        counters: this.counters,
        beats,
        stallTimeoutMs: this.#stallTimeoutMs,
        nowMs: () => this.nowMs,
        formatCursor: String,
        gapsBehind: () => [],
        jitteredRetryMs: () => 0,
        scheduleTurn: () => undefined,
      },
    });
    const beat = subscriber.beat.bind(subscriber);
    subscriber.beat = (tick) => {
      this.looks += 1;
      beat(tick);
    };
    beats.add(subscriber);
    subscriber.write(EVENT);
    const member = { subscriber, outlet };
    this.members.push(member);
    return member;
  }

  leave(member: Member | undefined): void {
    if (member === undefined) return;
    this.beats.delete(member.subscriber);
    this.members = this.members.filter((other) => other !== member);
  }

  /** Lets the timer fire once, `lateTicks` later than its interval says. */
  tick(lateTicks = 0): void {
    this.nowMs += TICK_MS * (1 + lateTicks);
    this.beats.turn();
  }
}

const action = fc.oneof(
  fc.record({ kind: fc.constant('join' as const), count: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ kind: fc.constant('leave' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constant('write' as const), every: fc.integer({ min: 1, max: 7 }) }),
  fc.record({ kind: fc.constant('wait' as const), ticks: fc.integer({ min: 1, max: 40 }) }),
);

describe('Beats', () => {
  it('lets no subscriber be silent for longer than a heartbeat interval, whatever is written and whoever leaves', () => {
    const late = fc.infiniteStream(fc.double({ min: 0, max: LATE_TICKS_MAX, noNaN: true }));
    fc.assert(
      fc.property(fc.array(action, { minLength: 1, maxLength: 60 }), late, (actions, lateness) => {
        const world = new World();
        const tick = (): void => {
          world.tick(lateness.next().value);
          for (const { outlet } of world.members) expect(outlet.silenceMs).toBeLessThanOrEqual(HEARTBEAT_MS);
        };
        const outlets: TimedOutlet[] = [];
        for (const step of actions) {
          // Between two ticks: what is written then counts from the one before.
          world.nowMs += TICK_MS * 0.3 * LATE_TICKS_MAX;
          if (step.kind === 'join') for (let at = 0; at < step.count; at += 1) outlets.push(world.join().outlet);
          if (step.kind === 'leave')
            for (const member of world.members.slice(0, world.members.length * step.share)) world.leave(member);
          if (step.kind === 'write')
            for (const [at, { subscriber }] of world.members.entries())
              if (at % step.every === 0) subscriber.write(EVENT);
          for (let at = 0; at < (step.kind === 'wait' ? step.ticks : 1); at += 1) tick();
        }
        for (const outlet of outlets) {
          expect(Math.max(0, ...outlet.gapsMs())).toBeLessThanOrEqual(HEARTBEAT_MS);
          // Nor is one written to for nothing.
          expect(Math.min(Infinity, ...outlet.gapsMs(':\n\n'))).toBeGreaterThanOrEqual(HEARTBEAT_MS * 0.75);
        }
        expect(world.beats.size).toBe(world.members.length);
        expect(new Set(world.beats)).toEqual(new Set(world.members.map(({ subscriber }) => subscriber)));
      }),
    );
  });

  it('looks at each subscriber about once in an interval, however often it is written to', () => {
    const world = new World();
    const members = Array.from({ length: 10 }, () => world.join());
    const intervals = 50;
    for (let at = 0; at < intervals * TICKS_PER_HEARTBEAT; at += 1) {
      for (const { subscriber } of members.slice(5))
        for (let write = 0; write < 10; write += 1) subscriber.write(EVENT);
      world.tick();
    }
    expect(world.looks / members.length / intervals).toBeLessThan(1.3);
    expect(members[9]?.outlet.texts).not.toContain(':\n\n');
  });

  it('visits everyone after the process stood still', () => {
    const world = new World();
    const members = Array.from({ length: 100 }, () => {
      world.tick();
      return world.join();
    });
    world.nowMs += HEARTBEAT_MS * 1000;
    world.beats.turn();
    for (const { outlet } of members) expect(outlet.silenceMs).toBe(0);
    world.tick();
    expect(world.counters.writes).toBe(members.reduce((sum, { outlet }) => sum + outlet.texts.length, 0));
  });

  it('goes on in a later turn of the loop where many are due at once, and takes in who leaves meanwhile', () => {
    const later: (() => void)[] = [];
    let nowMs = 0;
    const beats = new Beats({
      heartbeatMs: HEARTBEAT_MS,
      nowMs: () => nowMs,
      defer: (task) => void later.push(task),
    });
    const seen = new Set<number>();
    const items = Array.from({ length: 100 }, (_, at) => ({
      dueTick: 0,
      wantedTick: 0,
      beat(tick: number) {
        // As slow as a write on a busy machine.
        for (const startedMs = performance.now(); performance.now() - startedMs < 0.5;);
        seen.add(at);
        this.wantedTick = tick + 5;
      },
    }));
    for (const item of items) beats.add(item);
    nowMs += TICK_MS;
    beats.turn();
    expect(seen.size).toBeLessThan(64);
    for (const item of items.slice(90)) beats.delete(item);
    while (later.length > 0) later.shift()?.();
    expect(seen.size).toBe(90);
    expect(beats.size).toBe(90);
  });

  it('cuts a subscriber that takes nothing within a quarter more than the stall timeout', () => {
    for (const stallTimeoutMs of [400, 1600, 3000, 20_000]) {
      const world = new World(stallTimeoutMs);
      const { subscriber, outlet } = world.join();
      for (let at = 0; at < 37; at += 1) world.tick(0.1);
      outlet.pendingBytes = 1;
      subscriber.write(EVENT);
      const blockedAtMs = world.nowMs;
      while (!outlet.isDestroyed) world.tick(0.1);
      expect(world.nowMs - blockedAtMs).toBeGreaterThanOrEqual(stallTimeoutMs);
      expect(world.nowMs - blockedAtMs).toBeLessThanOrEqual(stallTimeoutMs * 1.25 + 2.2 * TICK_MS);
      expect(world.counters.stalled).toBe(1);
    }
  });

  it('does not cut one that takes a little of a large write', () => {
    const world = new World(3000);
    const { subscriber, outlet } = world.join();
    outlet.pendingBytes = 1;
    subscriber.write(EVENT);
    for (let at = 0; at < 200; at += 1) {
      world.tick();
      if (at % 8 === 0) subscriber.noteProgress();
    }
    expect(outlet.isDestroyed).toBe(false);
  });

  it('sends pings at their time, also to one that is written to all the time', () => {
    for (const isHot of [true, false]) {
      const world = new World();
      const { subscriber, outlet } = world.join(new Pings(world.beats.tick, 40));
      for (let at = 0; at < 400; at += 1) {
        if (isHot) subscriber.write(EVENT);
        world.tick();
      }
      const pingedAtMs = outlet.atMs.filter((_, at) => outlet.texts[at]?.includes('event: ping') === true);
      expect(pingedAtMs.map((atMs) => Math.round((atMs - 5000) / TICK_MS))).toEqual(
        Array.from({ length: 10 }, (_, at) => (at + 1) * 40),
      );
      expect(Math.max(...outlet.gapsMs())).toBeLessThanOrEqual(HEARTBEAT_MS);
    }
  });
});
