import { expect, vi } from 'vitest';

import type { InteropClient } from './clients.js';
import { CuttingLink } from './cutting-link.js';
import type { Follower } from './follower.js';
import type { RestartableHub } from './restartable-hub.js';

/** How soon an event must arrive on a connection that is open. A client that waits for a full buffer waits for ever. */
const IN_TIME_MS = 2000;
/** How long a client may take to connect: a JVM or a browser starts slowly on a busy machine. */
const START_MS = 60_000;
/** How long it may take to come back: waits double, and a drained hub asks for more. */
export const RETURN_MS = 60_000;
/** How long a killed hub stays away at most, while each client meets a refused connection. */
const AWAY_MS = 8000;

export interface Stage {
  readonly hub: RestartableHub;
  readonly follow: (client: InteropClient, url: string) => Promise<Follower>;
}

type SingleCheck = (stage: Stage, client: InteropClient) => Promise<void>;

let channels = 0;

/** A channel that nothing else uses. */
export function freshChannel(): string {
  channels += 1;
  return `interop-${channels}`;
}

async function subscribed(hub: RestartableHub, channel: string, count = 1): Promise<void> {
  await vi.waitUntil(async () => (await hub.subscribers(channel)) === count, { timeout: START_MS, interval: 50 });
}

/** Publishes one event after the other; each must arrive in time. */
export async function eightInTime(
  { hub }: Pick<Stage, 'hub'>,
  client: InteropClient,
  { channel, follower }: { channel: string; follower: Follower },
): Promise<void> {
  await subscribed(hub, channel);
  for (let n = 1; n <= 8; n += 1) {
    await publish(hub, client, { channel, n });
    await follower.until(has(n), { what: `event ${n}`, timeoutMs: IN_TIME_MS });
  }
  expect(follower.data).toEqual(texts(8));
}

/** The checks that a client passes alone, each on a hub that others use too. */
export const SINGLE_CHECKS = {
  'events in time': async (stage, client) => {
    const channel = freshChannel();
    await using follower = await stage.follow(client, `${stage.hub.url}/subscribe/${channel}`);
    await eightInTime(stage, client, { channel, follower });
  },
  'three cuts': (stage, client) => threeCuts(stage, client, ''),
  'several channels': severalChannels,
  'control=none': (stage, client) => threeCuts(stage, client, '?control=none'),
  'quiet start': quietStart,
} as const satisfies Readonly<Record<string, SingleCheck>>;

/** FIN, RST, and a FIN in the middle of an event, each with an event published while the client is away. */
async function threeCuts({ hub, follow }: Stage, client: InteropClient, query: string): Promise<void> {
  const channel = freshChannel();
  await using link = await CuttingLink.open(hub.port);
  await using follower = await follow(client, `${link.url}/subscribe/${channel}${query}`);
  await subscribed(hub, channel);
  const arrives = (n: number): Promise<void> => follower.until(has(n), { what: `event ${n}`, timeoutMs: RETURN_MS });
  await publish(hub, client, { channel, n: 1 });
  await arrives(1);
  for (const [cut, n] of [
    ['FIN', 2],
    ['RST', 3],
  ] as const) {
    link.cut(cut);
    await publish(hub, client, { channel, n });
    link.release();
    await arrives(n);
  }
  const cut = link.cutInside('event 4');
  await publish(hub, client, { channel, n: 4 });
  await cut;
  await publish(hub, client, { channel, n: 5 });
  link.release();
  await arrives(5);
  expect(follower.data).toEqual(texts(5));
}

async function severalChannels({ hub, follow }: Stage, client: InteropClient): Promise<void> {
  const names = [freshChannel(), freshChannel(), freshChannel()] as const;
  await using link = await CuttingLink.open(hub.port);
  const query = new URLSearchParams(names.map((name): [string, string] => ['channel', name]));
  await using follower = await follow(client, `${link.url}/subscribe?${query.toString()}`);
  for (const name of names) await subscribed(hub, name);
  const arrives = (n: number): Promise<void> => follower.until(has(n), { what: `event ${n}`, timeoutMs: RETURN_MS });
  for (const [index, channel] of names.entries()) {
    await publish(hub, client, { channel, n: index + 1 });
    await arrives(index + 1);
  }
  link.cut('FIN');
  for (const [index, channel] of names.entries()) await publish(hub, client, { channel, n: index + 4 });
  link.release();
  await arrives(6);
  // A cut inside a flush repeats events of several channels, and loses none (PROTOCOL 3.5).
  expect([...new Set(follower.data)]).toEqual(texts(6));
}

/** A cut before the first event, without control events: only a block with nothing but an id says where to resume. */
async function quietStart({ hub, follow }: Stage, client: InteropClient): Promise<void> {
  const channel = freshChannel();
  await using link = await CuttingLink.open(hub.port);
  await using follower = await follow(client, `${link.url}/subscribe/${channel}?control=none`);
  await subscribed(hub, channel);
  link.cut('FIN');
  await subscribed(hub, channel, 0);
  await publish(hub, client, { channel, n: 1 });
  link.release();
  await subscribed(hub, channel);
  await publish(hub, client, { channel, n: 2 });
  await follower.until(has(2), { what: 'event 2', timeoutMs: RETURN_MS });
  expect(follower.data).toEqual(texts(2));
}

/** What becomes of each client when the hub of all goes and comes back; the hub is empty then. */
export async function afterRestart(
  { hub, follow }: Stage,
  clients: readonly InteropClient[],
  how: 'killed' | 'drained',
): Promise<ReadonlyMap<InteropClient, Promise<void>>> {
  const followers = clients.map(async (client) => {
    const channel = freshChannel();
    const follower = await follow(client, `${hub.url}/subscribe/${channel}`);
    await subscribed(hub, channel);
    await publish(hub, client, { channel, n: 1 });
    await follower.until(has(1), { what: 'event 1', timeoutMs: RETURN_MS });
    return { client, channel, follower };
  });
  const settled = await Promise.allSettled(followers);
  const before = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (how === 'drained') await hub.drain();
  else {
    await hub.kill();
    // A cut, then a connection that was refused: clients that do not say so get the time for it.
    await Promise.allSettled(
      before.map(({ follower }) =>
        follower.until(({ states }) => states.length >= 2, { what: 'refused connection', timeoutMs: AWAY_MS }),
      ),
    );
  }
  await hub.restart();
  await Promise.all(before.map(({ client, channel }) => publish(hub, client, { channel, n: 2 })));
  const outcomes = followers.map(async (begun) => {
    const { follower } = await begun;
    await using _ = follower;
    await follower.until(has(2), { what: 'event 2', timeoutMs: RETURN_MS });
    expect(follower.data).toEqual(texts(2));
  });
  for (const outcome of outcomes) outcome.catch(() => undefined);
  return new Map(clients.map((client, index) => [client, outcomes[index] ?? Promise.reject(new Error('No outcome'))]));
}

export function publish(
  hub: RestartableHub,
  client: InteropClient,
  { channel, n }: { channel: string; n: number },
): Promise<void> {
  const event = (client.publish ?? ((data) => ({ data })))(`event ${n}`);
  return hub.publish(channel, event);
}

function texts(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `event ${index + 1}`);
}

function has(n: number): (follower: Follower) => boolean {
  return ({ data }) => data.includes(`event ${n}`);
}
