import { effect, untracked } from '@preact/signals';
import { createFrameBatch } from './frame-batch.js';
import { describeGap } from './gap.js';
import { openLiveChannel } from './live-channel.js';
import type { LiveChannel, LiveState } from './live-channel.js';
import { createRateWindow } from './rate-window.js';
import { createRowLog } from './row-log.js';
import type { NoticeRow } from './row-log.js';
import * as state from './state.js';

/** Events of the history that a fresh subscription begins with. */
const BACKFILL_EVENTS = 50;
const RATE_TICK_MS = 1000;

const log = createRowLog();
const rate = createRateWindow();
let current: LiveChannel | undefined;
let nextKey = 0;
let receivedCount = 0;
let drawnCount = 0;

/** The counts and the list, from what arrived since the last frame. */
const draw = createFrameBatch(() => {
  state.received.value = receivedCount;
  state.cursor.value = current?.cursor ?? '';
  if (state.isPaused.value) state.unseen.value = receivedCount - drawnCount;
  else drawRows();
});

function drawRows(): void {
  drawnCount = receivedCount;
  state.unseen.value = 0;
  state.rows.value = log.rows();
}

/** Leaves the channel that is shown and subscribes to `name`. */
export function showChannel(name: string): void {
  current?.close();
  log.clear();
  rate.clear();
  receivedCount = 0;
  drawnCount = 0;
  state.channel.value = name;
  state.cursor.value = '';
  state.gaps.value = 0;
  state.firstType.value = 'message';
  state.openRows.value = new Set();
  state.isHeld.value = false;
  state.rateSeries.value = rate.series(Date.now());
  state.ratePerSecond.value = 0;
  state.rows.value = [];
  current = openLiveChannel({
    url: state.hubUrl,
    channel: name,
    last: BACKFILL_EVENTS,
    onState: enter,
    onEvent: (event, isBackfill) => {
      const atMs = Date.now();
      receivedCount += 1;
      if (receivedCount === 1) state.firstType.value = event.type;
      if (!isBackfill) rate.record(atMs);
      log.add({
        kind: 'event',
        key: (nextKey += 1),
        atMs,
        type: event.type,
        id: event.id,
        data: event.data,
        isBackfill,
      });
      draw();
    },
    onGap: (gap) => {
      state.gaps.value += 1;
      notice('gap', `Gap: ${gap.reason}`, describeGap(gap));
    },
  });
  draw();
}

/** Shows why there is nothing to subscribe to, in the place of a subscription. */
export function refuseChannel(reason: string): void {
  current?.close();
  current = undefined;
  state.channel.value = undefined;
  state.live.value = { phase: 'refused', reason };
}

export function reconnectNow(): void {
  current?.reconnectNow();
}

/** Lets the list run on, and closes what was open for reading. */
export function resumeList(): void {
  state.isHeld.value = false;
  state.openRows.value = new Set();
}

/** Opens a row for reading, or closes it. */
export function toggleRow(key: number): void {
  const open = new Set(state.openRows.value);
  if (!open.delete(key)) open.add(key);
  state.openRows.value = open;
}

/** Keeps the list in step with filter and pause, the rate with the clock, the title with the channel; call it once. */
export function startDrawing(): void {
  effect(() => {
    log.setFilter(state.filter.value);
    untracked(drawRows);
  });
  effect(() => {
    if (!state.isPaused.value) draw();
  });
  effect(() => {
    document.title = state.channel.value === undefined ? 'Tidegate' : `${state.channel.value} · Tidegate`;
  });
  window.addEventListener('online', reconnectNow);
  setInterval(() => {
    state.rateSeries.value = rate.series(Date.now());
    state.ratePerSecond.value = rate.perSecond(Date.now());
  }, RATE_TICK_MS);
}

function enter(next: LiveState): void {
  const before = state.live.value.phase;
  state.live.value = next;
  if (next.phase === 'live') notice('live', 'Live', 'Everything above arrives as it is published.');
  if (next.phase === 'ended') notice('end', 'Ended', 'This channel has been ended; nothing will follow.');
  if (next.phase === 'refused') notice('error', 'Refused', next.reason);
  if (next.phase === 'reconnecting' && before !== 'reconnecting' && before !== 'connecting')
    notice('error', 'Connection lost', `${next.reason}; the page reconnects and resumes from its cursor.`);
}

function notice(kind: NoticeRow['kind'], title: string, detail: string): void {
  log.add({ kind, key: (nextKey += 1), atMs: Date.now(), title, detail });
  draw();
}
