import { quote } from '../protocol/index.js';
import type { GapData } from '../protocol/index.js';
import { allows, NO_GRANTS } from './auth/grants.js';
import { isUserChannel } from './auth/user-channel.js';
import type { Channel } from './channel.js';
import { HubError } from './errors.js';
import { createChannelFeed } from './feed.js';
import { readFrame } from './form.js';
import { PAGE_BYTES_MAX } from './limits.js';
import { resolveStart } from './resume.js';
import type { ResumeRequest } from './resume.js';
import type { ChannelStore } from './store.js';

/** One channel as the list shows it. */
export interface ChannelSummary {
  readonly name: string;
  readonly subscribers: number;
  /** Events and bytes that history holds. */
  readonly events: number;
  readonly bytes: number;
  /** Over the last ten seconds. */
  readonly eventsPerSecond: number;
  readonly isEnded: boolean;
  /** Cursor of the newest event; null before the first. */
  readonly head: string | null;
  /** When the oldest event kept was published, RFC 3339; null where none is. */
  readonly oldest: string | null;
}

export interface ChannelPage {
  readonly channels: readonly ChannelSummary[];
  /** What to pass as `after` for the next page; null on the last. */
  readonly next: string | null;
}

/** Which page of channels. */
export interface ListRequest {
  readonly after: string;
  readonly limit: number;
  /** Whether channels without a subscriber are listed too. */
  readonly isAll: boolean;
  /** Only channels that fit one of these patterns are listed. */
  readonly visible: readonly string[];
}

/** A page of channels by name. */
export function listChannels(store: ChannelStore, { after, limit, isAll, visible }: ListRequest): ChannelPage {
  const grants = { ...NO_GRANTS, subscribe: visible };
  let names: string[] = [];
  for (const [name, channel] of store.channels) {
    if (name <= after || !(isAll || channel.subscriberCount > 0)) continue;
    if (isUserChannel(name) || !allows(grants, 'subscribe', name)) continue;
    names.push(name);
    // Only the first page's worth is ever kept and sorted: there may be a million.
    if (names.length > limit * 4) names = names.toSorted().slice(0, limit + 1);
  }
  const page = names.toSorted().slice(0, limit + 1);
  const channels = page.slice(0, limit).map((name) => describeChannel(store, findChannel(store, name)));
  return { channels, next: page.length > limit ? (page[limit - 1] ?? null) : null };
}

/** @throws HubError `unknown-channel`. */
export function findChannel(store: ChannelStore, name: string): Channel {
  const channel = store.channels.get(name);
  if (channel === undefined) throw new HubError('unknown-channel', `Cannot find channel ${quote(name)}`);
  return channel;
}

export function describeChannel(store: ChannelStore, channel: Channel): ChannelSummary {
  const { history } = channel;
  store.trim(channel);
  return {
    name: channel.name,
    subscribers: channel.subscriberCount,
    events: channel.eventCount,
    bytes: history.bytes,
    eventsPerSecond: channel.eventsPerSecond(store.nowMs()),
    isEnded: channel.isEnded,
    head: history.headOffset === 0 ? null : store.formatCursor(history.headOffset),
    oldest: history.oldest === undefined ? null : new Date(history.oldest.timeMs).toISOString(),
  };
}

export interface HistoryEvent {
  readonly id: string;
  readonly cursor: string;
  readonly event: string;
  readonly data: string;
  /** When it was published, RFC 3339. */
  readonly time: string;
}

export interface HistoryPage {
  readonly channel: string;
  readonly events: readonly HistoryEvent[];
  /** What is lost of what was asked for. */
  readonly gaps: readonly GapData[];
  /** What to pass as `since` for the next page; null on the last. */
  readonly next: string | null;
}

/** Which page of a channel's history; all that is kept where neither `since` nor `last` is given. */
export interface HistoryRequest extends Pick<ResumeRequest, 'since' | 'last'> {
  /** Events on the page. */
  readonly limit: number;
}

/** A page of a channel's history, oldest first. @throws HubError as a subscription with the same parameters would. */
export function readHistory(store: ChannelStore, channel: Channel, { limit, ...resume }: HistoryRequest): HistoryPage {
  store.trim(channel);
  const isUnasked = resume.since === undefined && resume.last === undefined;
  const start = resolveStart(isUnasked ? { last: 'all' } : resume, createChannelFeed(channel), store.state);
  const events: HistoryEvent[] = [];
  let bytes = 0;
  let next: string | null = null;
  for (const frame of channel.history.framesAfter(start.offset)) {
    if (channel.isEndFrame(frame.offset)) break;
    if (events.length === limit || (events.length > 0 && bytes + frame.bytes.length > PAGE_BYTES_MAX)) {
      next = events.at(-1)?.cursor ?? null;
      break;
    }
    bytes += frame.bytes.length;
    const { id, event, data } = readFrame(frame);
    events.push({
      id,
      cursor: store.formatCursor(frame.offset),
      event,
      data,
      time: new Date(frame.timeMs).toISOString(),
    });
  }
  return { channel: channel.name, events, gaps: start.gaps, next };
}
