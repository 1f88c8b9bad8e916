import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { LivePhase } from './live-channel.js';
import { cursor, isHubEmpty, live } from './state.js';
import { reconnectNow } from './subscription.js';

const LABELS: Readonly<Record<LivePhase, string>> = {
  connecting: 'Connecting',
  backfill: 'Backfill',
  live: 'Live',
  reconnecting: 'Reconnecting',
  ended: 'Ended',
  refused: 'Refused',
};

/** The wordmark, and where the subscription stands. */
export function Masthead(): JSX.Element {
  return (
    <header class="masthead">
      <h1 class="wordmark">
        <Mark />
        Tidegate
      </h1>
      {isHubEmpty.value ? (
        <p class="status" data-phase="connecting">
          Waiting for the first channel
        </p>
      ) : (
        <Status />
      )}
      <span class="address">{location.host}</span>
    </header>
  );
}

function Status(): JSX.Element {
  const { phase, reason, retryAtMs } = live.value;
  return (
    <div class="status" data-phase={phase}>
      <span role="status" title={reason}>
        <span class="dot" aria-hidden="true" />
        {LABELS[phase]}
      </span>
      {retryAtMs !== undefined && <Retry retryAtMs={retryAtMs} />}
      {cursor.value !== '' && (
        <span class="cursor" title={`The cursor: a reconnect resumes after ${cursor.value}`}>
          <span class="cursor-word">cursor </span>
          {cursor.value}
        </span>
      )}
    </div>
  );
}

function Retry({ retryAtMs }: { readonly retryAtMs: number }): JSX.Element {
  const [nowMs, setNowMs] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.ceil((retryAtMs - nowMs) / 1000);
  return (
    <>
      <span class="countdown">{seconds > 0 ? `in ${seconds} s` : 'now'}</span>
      <button type="button" class="quiet" onClick={reconnectNow}>
        Try now
      </button>
    </>
  );
}

/** Water on both sides of a gate, and it flows one way. */
function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="mark-ground" width="32" height="32" rx="7" />
      <path class="mark-gate" d="M16 6v20" />
      <path
        class="mark-water"
        d="M4 12c2-2 4-2 6 0M4 20c2-2 4-2 6 0M20 10c2.200-2 4.400 2 8 0M20 16c2.200-2 4.400 2 8 0M20 22c2.200-2 4.400 2 8 0"
      />
    </svg>
  );
}
