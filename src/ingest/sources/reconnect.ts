/** How one connection to an SSE source came to its end. */
export type ConnectionOutcome =
  /** `tidegate.end` for the last of its channels. */
  | { readonly kind: 'ended' }
  /** An answer with another status than 200. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterMs?: number }
  /** `tidegate.error`: a refusal inside the stream. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly isRetryable: boolean }
  /** 200 with something that is no event stream. */
  | { readonly kind: 'not-an-event-stream'; readonly detail: string }
  | { readonly kind: 'event-too-large' }
  /** No byte for too long. */
  | { readonly kind: 'idle-timeout' }
  /** No event for too long, though bytes came. */
  | { readonly kind: 'event-timeout' }
  /** The body ended as a body should. */
  | { readonly kind: 'closed' }
  /** The network or the HTTP broke. */
  | { readonly kind: 'broken'; readonly detail: string };

export type ReconnectCause = Exclude<ConnectionOutcome['kind'], 'ended'>;

/** What is known of the connection that ended, beside its outcome. */
export interface ConnectionFacts {
  /** It delivered at least one event. */
  readonly hadEvent: boolean;
  /** Milliseconds since it was accepted; 0 where it never was. */
  readonly connectedMs: number;
  /** Milliseconds since it was begun. */
  readonly sinceStartMs: number;
  /** The last `retry:` of the stream, in milliseconds. */
  readonly retryMs?: number;
  /** Each request asks for a token anew: a refused one may be followed by a better one (default false). */
  readonly hasToken?: boolean;
  /** A clean end is the stream's end for good (default false). */
  readonly isFinite?: boolean;
}

export type Verdict =
  /** The source is over for good. */
  | { readonly kind: 'end' }
  /** Going on is useless. */
  | { readonly kind: 'fail'; readonly message: string }
  | {
      readonly kind: 'reconnect';
      readonly cause: ReconnectCause;
      /** Wait this long at least, in milliseconds. */
      readonly floorMs: number;
      /** `none`: no backoff beside the floor. `reset`: a backoff that begins anew. `grow`: the next one. */
      readonly backoff: 'none' | 'reset' | 'grow';
    };

/** A connection this old is healthy even if it brought no event. */
const HEALTHY_AFTER_MS = 10_000;
/** Connections begin no closer than this: a server that serves one event and closes must not make us spin. */
const CONNECT_INTERVAL_MS = 1000;
/** A longer `retry:` counts as this: a slip of its author must not silence a pipeline. */
const RETRY_MS_MAX = 5 * 60_000;
/** A longer `Retry-After` counts as this. */
const RETRY_AFTER_MS_MAX = 60 * 60_000;

/** The 4xx that may heal by themselves: timeout, too early, too many requests. */
const HEALING_4XX: ReadonlySet<number> = new Set([408, 425, 429]);

/** What to do after a connection ended: the one place of the reconnect rules. */
export function decideReconnect(outcome: ConnectionOutcome, facts: ConnectionFacts): Verdict {
  switch (outcome.kind) {
    case 'ended':
      return { kind: 'end' };
    case 'status':
      if (outcome.status === 204) return { kind: 'end' };
      if (!canHeal(outcome.status, facts)) return { kind: 'fail', message: refusalOf(outcome.status) };
      return reconnect(outcome.kind, facts, { backoff: 'grow', retryAfterMs: outcome.retryAfterMs });
    case 'refused':
      if (!outcome.isRetryable && !(facts.hasToken === true && outcome.code.startsWith('token-')))
        return { kind: 'fail', message: `${outcome.message} (${outcome.code})` };
      return reconnect(outcome.kind, facts, { backoff: 'grow' });
    case 'not-an-event-stream':
    case 'event-too-large':
      // Events before it prove nothing: the same thing may come again at once.
      return reconnect(outcome.kind, facts, { backoff: 'grow' });
    case 'closed':
      if (facts.isFinite === true) return { kind: 'end' };
      return reconnect(outcome.kind, facts, { backoff: isHealthy(facts) ? 'none' : 'grow' });
    case 'idle-timeout':
    case 'event-timeout':
    case 'broken':
      return reconnect(outcome.kind, facts, { backoff: isHealthy(facts) ? 'reset' : 'grow' });
  }
}

function refusalOf(status: number): string {
  return status === 407 ? 'the proxy wants other credentials (407)' : `the server answered ${status}`;
}

function canHeal(status: number, { hasToken = false }: ConnectionFacts): boolean {
  return status < 400 || status >= 500 || HEALING_4XX.has(status) || (status === 401 && hasToken);
}

function isHealthy({ hadEvent, connectedMs }: ConnectionFacts): boolean {
  return hadEvent || connectedMs >= HEALTHY_AFTER_MS;
}

function reconnect(
  cause: ReconnectCause,
  { retryMs = 0, sinceStartMs }: ConnectionFacts,
  { backoff, retryAfterMs = 0 }: { backoff: 'none' | 'reset' | 'grow'; retryAfterMs?: number | undefined },
): Verdict {
  const floorMs = Math.max(
    CONNECT_INTERVAL_MS - sinceStartMs,
    Math.min(retryMs, RETRY_MS_MAX),
    Math.min(retryAfterMs, RETRY_AFTER_MS_MAX),
    0,
  );
  return { kind: 'reconnect', cause, floorMs, backoff };
}
