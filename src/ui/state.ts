import { computed, signal } from '@preact/signals';
import type { ChannelInfo } from './hub-api.js';
import type { LiveState } from './live-channel.js';
import type { Row } from './row-log.js';

/** What `GET /channels` said last. */
export interface ChannelListState {
  readonly channels: readonly ChannelInfo[];
  readonly hasMore: boolean;
  /** Whether the hub has answered at least once. */
  readonly isKnown: boolean;
  /** Why the last look failed; empty where it did not. */
  readonly problem: string;
}

/** Everything below the hub's address is relative to where the page lies. */
export const hubUrl = new URL('.', document.baseURI).href;

export const channelList = signal<ChannelListState>({ channels: [], hasMore: false, isKnown: false, problem: '' });

/** The channel that is shown; undefined before there is one. */
export const channel = signal<string | undefined>(undefined);
export const live = signal<LiveState>({ phase: 'connecting', reason: '' });
/** What the next connection would resume from, as of the last frame. */
export const cursor = signal('');

/** The rows on screen, newest first. */
export const rows = signal<readonly Row[]>([]);
/** Events received since the channel was opened, backfill included. */
export const received = signal(0);
export const gaps = signal(0);
/** The type of the first event that came; what the code on the page listens to. */
export const firstType = signal('message');
/** Events received while the list stood still. */
export const unseen = signal(0);

export const filter = signal('');
export const isHeld = signal(false);
/** Keys of the rows that are open; the list stands still while somebody reads one. */
export const openRows = signal<ReadonlySet<number>>(new Set());
export const isPaused = computed(() => isHeld.value || openRows.value.size > 0);

/** Events in each of the last 60 seconds, oldest first. */
export const rateSeries = signal<readonly number[]>([]);
export const ratePerSecond = signal(0);

/** The shown channel's entry in the list, where it has one. */
export const channelInfo = computed(() => channelList.value.channels.find(({ name }) => name === channel.value));

export const isHubEmpty = computed(
  () => channelList.value.isKnown && channelList.value.channels.length === 0 && channel.value === undefined,
);
