import { expect } from 'vitest';

import type { Backplane, Published } from '../../src/hub/backplane/backplane.js';
import type { ChannelRules } from '../../src/hub/channel-rules.js';
import type { Connection } from '../../src/hub/connection.js';
import { readFrame } from '../../src/hub/form.js';
import { DEFAULT_HISTORY, DEFAULT_LIMITS } from '../../src/hub/limits.js';
import type { HistoryLimits, HubLimits } from '../../src/hub/limits.js';

export interface BackplaneSettings {
  readonly history: HistoryLimits;
  readonly limits: HubLimits;
  readonly channelTtlMs: number;
  readonly rules?: ChannelRules;
}

/** The processes of one hub: one at least. */
export interface BackplaneFixture extends AsyncDisposable {
  readonly nodes: readonly Backplane[];
}

export type Start = (settings: BackplaneSettings) => Promise<BackplaneFixture>;

export const defaults: BackplaneSettings = { history: DEFAULT_HISTORY, limits: DEFAULT_LIMITS, channelTtlMs: 0 };

export function connectionTo(...channels: readonly string[]): Connection {
  return { id: crypto.randomUUID(), channels, address: '127.0.0.1', openedAtMs: 0 };
}

export function publishTo(
  node: Backplane,
  channel: string,
  ...texts: readonly string[]
): Promise<readonly Published[]> {
  return node.publish({ channels: [channel], events: texts.map((data) => ({ data })) });
}

/** What a node's own copy of a channel holds. */
export function dataOf(node: Backplane, channel: string): readonly string[] {
  const frames = node.store.channels.get(channel)?.history.framesAfter(0) ?? [];
  return Array.from(frames, (frame) => readFrame(frame).data);
}

/** The first and the last node: the same where there is only one. */
export function ends({ nodes }: BackplaneFixture): readonly [Backplane, Backplane] {
  const [first] = nodes;
  const last = nodes.at(-1);
  if (first === undefined || last === undefined) throw new Error('A backplane needs a node');
  return [first, last];
}

export const refusedWith = (code: string, more: object = {}): object =>
  expect.objectContaining({ code, ...more }) as object;
