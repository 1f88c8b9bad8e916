import { parseDuration } from '../base/index.js';
import { formatCursor, parseCursor, quote } from '../protocol/index.js';
import type { CursorParts, GapData, GapReason } from '../protocol/index.js';
import type { Channel } from './channel.js';
import { HubError } from './errors.js';
import type { Feed } from './feed.js';
import { findOwnId } from './form.js';
import { parseRfc3339 } from './rfc3339.js';
import type { ChannelStore, Life } from './store.js';

/** Where a client wants to begin; the first that is there counts. */
export interface ResumeRequest {
  /** What the client had last: a cursor, or a publisher's own id. */
  readonly lastEventId?: string | undefined;
  /** A cursor, an RFC 3339 time, or a duration such as `5m`. */
  readonly since?: string | undefined;
  /** How many events before now, or `all` that are kept. */
  readonly last?: string | undefined;
}

/** One life of a store, as a resume sees it. */
export interface StoreState extends Life {
  /** Offset of the newest event in any channel. */
  readonly headOffset: number;
  readonly nowMs: number;
}

/** Where a subscription begins, and what its client has lost. */
export interface Start {
  /** The subscriber has, or will never get, everything up to here. */
  readonly offset: number;
  /** What else is lost by now was not asked for. */
  readonly gaps: readonly GapData[];
  /** Id of `tidegate.open`: none where a gap follows a request that was no cursor. */
  readonly openCursor: string | undefined;
}

/** Why something is lost to a client, and what it asked for. */
interface Loss {
  readonly reason: GapReason;
  readonly requested: string;
}

/** Characters of a request that a gap repeats. */
const REQUESTED_CHARACTERS_MAX = 200;

/**
 * Decides where a subscription begins (PROTOCOL.md, 5).
 * @throws HubError `invalid-cursor` for a `since` that cannot be read or a cursor ahead of the store; `invalid-query` for
 * `last`; `history-lost` for a gap that the feed has no control event to announce with.
 */
export function resolveStart(request: ResumeRequest, feed: Feed, store: StoreState): Start {
  const start = findStart(request, feed, store);
  if (start.gaps.length === 0) return start;
  if (!feed.hasControlEvents) throw historyLost(start, feed, store);
  // Else a client whose gap is followed by nothing would come back with the cursor it had, for the same gap.
  return { ...start, offset: feed.settledOffset(start.offset) };
}

/** Names the earliest cursor that resumes without a gap: some channel may have kept events before it (PROTOCOL.md, 5.9). */
function historyLost({ offset, gaps }: Start, feed: Feed, { epoch }: StoreState): HubError {
  const [{ reason, requested } = { reason: 'evicted', requested: '' }] = gaps;
  const resumedAt = formatCursor(epoch, Math.max(feed.settledOffset(offset), feed.evictedOffset));
  const message = `Cannot resume from ${quote(requested)}: events behind it are lost (${reason})`;
  return new HubError('history-lost', message, { resumedAt });
}

function findStart(request: ResumeRequest, feed: Feed, store: StoreState): Start {
  if (request.lastEventId !== undefined && request.lastEventId !== '') {
    const cursor = parseCursor(request.lastEventId);
    return cursor ? startAtCursor(cursor, feed, store) : startAtOwnId(request.lastEventId, feed, store);
  }
  if (request.since !== undefined) return startSince(request.since, feed, store);
  if (request.last !== undefined) return startAtLast(request.last, feed, store);
  return withGaps(store.headOffset, [], store);
}

/** The gaps of a subscriber that has everything up to `offset` and is too slow for what `lost` gave up. */
export function lossesWhileThere(lost: readonly Channel[], offset: number, store: ChannelStore): readonly GapData[] {
  const { epoch } = store;
  const itsEpoch = store.epochAt(offset);
  const requested = formatCursor(itsEpoch, offset);
  const reason = itsEpoch === epoch ? 'too-slow' : 'epoch';
  return lost.map((channel) => gapOf(channel, { reason, requested, epoch }));
}

function startAtCursor(cursor: CursorParts, feed: Feed, store: StoreState): Start {
  const requested = formatCursor(cursor.epoch, cursor.offset);
  if (cursor.epoch !== store.epoch)
    return { ...fromOldest({ reason: 'epoch', requested }, feed, store), openCursor: requested };
  if (cursor.offset > store.headOffset) {
    throw new HubError('invalid-cursor', `Cannot resume from ${quote(requested)}: it is ahead of the newest event`);
  }
  const lost = feed.channels.filter(({ history }) => history.evictedOffset > cursor.offset);
  return { offset: cursor.offset, gaps: gapsOf(lost, { reason: 'evicted', requested }, store), openCursor: requested };
}

/** An id that is no cursor: a publisher's own, if the connection was cut between it and its cursor. */
function startAtOwnId(id: string, feed: Feed, store: StoreState): Start {
  const found = feed.channels.map((channel) => findOwnId(channel, id)).filter((offset) => offset !== undefined);
  if (found.length === 0) return fromOldest({ reason: 'unknown-id', requested: id }, feed, store);
  // Publishers repeat ids: after the first is too much again, after the last might be too little.
  const offset = Math.min(...found);
  const lost = feed.channels.filter(({ history }) => history.evictedOffset > offset);
  return withGaps(offset, gapsOf(lost, { reason: 'evicted', requested: id }, store), store);
}

function startSince(since: string, feed: Feed, store: StoreState): Start {
  const cursor = parseCursor(since);
  if (cursor) return startAtCursor(cursor, feed, store);
  const fromMs = readTime(since, store.nowMs);
  if (fromMs < store.beganAtMs) return fromOldest({ reason: 'epoch', requested: since }, feed, store);
  const isLost = ({ history }: Channel): boolean => history.evictedOffset > 0 && history.evictedTimeMs >= fromMs;
  const lost = feed.channels.filter(isLost);
  // What a channel has lost since then says nothing on where the others' events of that time begin.
  const whole = feed.channels.filter((channel) => !isLost(channel));
  const offset = Math.max(0, ...whole.map(({ history }) => history.offsetBefore(fromMs)));
  return withGaps(offset, gapsOf(lost, { reason: 'evicted', requested: since }, store), store);
}

function readTime(since: string, nowMs: number): number {
  const durationMs = parseDuration(since);
  if (durationMs !== undefined) return nowMs - durationMs;
  // A plus sign in a query is a space unless it is escaped, which few remember.
  const timeMs = parseRfc3339(since.replace(/ (\d{2}:\d{2})$/, '+$1'));
  if (timeMs !== undefined) return timeMs;
  throw new HubError(
    'invalid-cursor',
    `Cannot begin since ${quote(since)}: it is neither a cursor, an RFC 3339 time nor a duration such as 5m`,
  );
}

function startAtLast(last: string, feed: Feed, store: StoreState): Start {
  if (last === 'all') return withGaps(Math.min(...feed.evictedOffsets), [], store);
  if (!/^\d{1,9}$/.test(last)) {
    throw new HubError('invalid-query', `Cannot begin at the last ${quote(last)}: it is neither a number nor "all"`);
  }
  const count = Number(last);
  if (count === 0) return withGaps(store.headOffset, [], store);
  const only = feed.channels.length === 1 ? feed.channels[0] : undefined;
  const offset = only ? only.offsetBeforeLast(count) : mergedOffsetBeforeLast(feed.channels, count);
  return withGaps(offset, [], store);
}

function mergedOffsetBeforeLast(channels: readonly Channel[], count: number): number {
  const newest = channels.flatMap((channel) =>
    Array.from(channel.history.framesAfter(channel.offsetBeforeLast(count)), ({ offset }) => offset),
  );
  newest.sort((a, b) => b - a);
  const first = newest[count - 1] ?? newest.at(-1);
  return first === undefined ? 0 : first - 1;
}

/** Everything kept, after announcing that something before it is lost. */
function fromOldest(loss: Loss, feed: Feed, store: StoreState): Start {
  return withGaps(Math.min(...feed.evictedOffsets), gapsOf(feed.channels, loss, store), store);
}

/** A start for a request that was no cursor: `gaps` are what is lost of what was asked for. */
function withGaps(offset: number, gaps: readonly GapData[], { epoch }: StoreState): Start {
  return { offset, gaps, openCursor: gaps.length === 0 ? formatCursor(epoch, offset) : undefined };
}

function gapsOf(lost: readonly Channel[], loss: Loss, { epoch }: StoreState): readonly GapData[] {
  return lost.map((channel) => gapOf(channel, { ...loss, epoch }));
}

function gapOf({ name, history }: Channel, { reason, requested, epoch }: Loss & { readonly epoch: string }): GapData {
  const cut = requested.slice(0, REQUESTED_CHARACTERS_MAX);
  return { reason, channel: name, requested: cut, resumedAt: formatCursor(epoch, history.evictedOffset) };
}
