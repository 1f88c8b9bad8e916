import type { JSX } from 'preact';
import { EventItem, NoticeItem } from './event-item.js';
import { formatCount } from './format.js';
import { curlPublish } from './snippet-text.js';
import type { Row } from './row-log.js';
import { CopyLine } from './copy-line.js';
import { channel, filter, hubUrl, isHeld, isPaused, live, openRows, ratePerSecond, rows, unseen } from './state.js';
import { resumeList } from './subscription.js';

/** Above this rate a highlight on every new row would be a flicker. */
const HIGHLIGHT_RATE_MAX = 8;

/** The events, newest on top. */
export function EventStream(): JSX.Element {
  const isCalm = !isPaused.value && ratePerSecond.value <= HIGHLIGHT_RATE_MAX;
  return (
    <section class="card stream" aria-label="Events">
      <Toolbar />
      {rows.value.length === 0 ? (
        <NothingYet />
      ) : (
        <ol class={isCalm ? 'rows is-calm' : 'rows'} style={{ '--type-width': `${typeWidth(rows.value)}ch` }}>
          {rows.value.map((row) =>
            row.kind === 'event' ? (
              <EventItem key={row.key} row={row} isOpen={openRows.value.has(row.key)} />
            ) : (
              <NoticeItem key={row.key} row={row} />
            ),
          )}
        </ol>
      )}
      <GapAlert />
    </section>
  );
}

/** One width for the column of types, so that the previews stand in line. */
function typeWidth(shown: readonly Row[]): number {
  return shown.reduce((width, row) => (row.kind === 'event' ? Math.max(width, row.type.length) : width), 0);
}

function Toolbar(): JSX.Element {
  const paused = isPaused.value;
  return (
    <div class="toolbar">
      <input
        type="search"
        class="filter"
        placeholder="Filter by text, type or id"
        aria-label="Filter events"
        value={filter.value}
        onInput={(event) => (filter.value = event.currentTarget.value)}
      />
      <button
        type="button"
        class={paused ? 'pause is-paused' : 'pause'}
        onClick={() => (paused ? resumeList() : (isHeld.value = true))}
      >
        {paused ? `Resume${unseen.value > 0 ? ` · ${formatCount(unseen.value)} new` : ''}` : 'Pause'}
      </button>
    </div>
  );
}

function NothingYet(): JSX.Element {
  const { phase, reason } = live.value;
  const name = channel.value;
  if (filter.value.trim() !== '') return <p class="nothing">No event here holds “{filter.value.trim()}”.</p>;
  if (phase === 'refused' || (phase === 'reconnecting' && reason !== ''))
    return (
      <p class="nothing is-bad" role="alert">
        {reason}
      </p>
    );
  if (phase !== 'live' || name === undefined) return <p class="nothing">Waiting for the hub…</p>;
  return (
    <div class="nothing">
      <p>Subscribed, and nothing has been published yet. Try:</p>
      <CopyLine text={curlPublish(hubUrl, name)} />
    </div>
  );
}

/** The only thing in the stream worth interrupting a screen reader for. */
function GapAlert(): JSX.Element {
  const gap = rows.value.find((row) => row.kind === 'gap');
  return (
    <p class="visually-hidden" role="alert">
      {gap?.kind === 'gap' ? gap.detail : ''}
    </p>
  );
}
