import { describe, expect, it } from 'vitest';
import { decideReconnect } from './reconnect.js';
import type { ConnectionFacts, ConnectionOutcome } from './reconnect.js';

const FRESH: ConnectionFacts = { hadEvent: false, connectedMs: 0, sinceStartMs: 5000 };
const HEALTHY: ConnectionFacts = { hadEvent: true, connectedMs: 5000, sinceStartMs: 5000 };
const OLD: ConnectionFacts = { hadEvent: false, connectedMs: 10_000, sinceStartMs: 10_000 };
const refused = { kind: 'refused', code: 'overloaded', message: 'Busy', isRetryable: true } as const;
const html = { kind: 'not-an-event-stream', detail: 'content type "text/html"' } as const;
const broken = { kind: 'broken', detail: 'reset' } as const;
const answer = (status: number, retryAfterMs?: number): ConnectionOutcome =>
  retryAfterMs === undefined ? { kind: 'status', status } : { kind: 'status', status, retryAfterMs };

describe('decideReconnect()', () => {
  it.each([
    ['204', answer(204)],
    ['tidegate.end', { kind: 'ended' } as const],
  ])('ends on %s', (_, outcome) => {
    expect(decideReconnect(outcome, HEALTHY)).toEqual({ kind: 'end' });
  });

  it.each([400, 401, 403, 404, 405, 410, 451])('fails on %i', (status) => {
    expect(decideReconnect(answer(status), FRESH)).toEqual({
      kind: 'fail',
      message: `the server answered ${status}`,
    });
  });

  it('fails on a refusal that says coming back is useless', () => {
    const verdict = decideReconnect({ ...refused, isRetryable: false }, HEALTHY);
    expect(verdict).toEqual({ kind: 'fail', message: 'Busy (overloaded)' });
  });

  it.each([
    ['a clean end of a healthy stream: at once', { kind: 'closed' } as const, HEALTHY, { floorMs: 0, backoff: 'none' }],
    ['a clean end of an old quiet stream: at once', { kind: 'closed' } as const, OLD, { floorMs: 0, backoff: 'none' }],
    ['a clean end before any event: backed off', { kind: 'closed' } as const, FRESH, { floorMs: 0, backoff: 'grow' }],
    ['a break of a healthy stream: a new backoff', broken, HEALTHY, { floorMs: 0, backoff: 'reset' }],
    ['a break before health: the next backoff', broken, FRESH, { floorMs: 0, backoff: 'grow' }],
    ['silence on a healthy stream', { kind: 'idle-timeout' } as const, OLD, { floorMs: 0, backoff: 'reset' }],
    ['408', answer(408), FRESH, { floorMs: 0, backoff: 'grow' }],
    ['425', answer(425), FRESH, { floorMs: 0, backoff: 'grow' }],
    ['429', answer(429), FRESH, { floorMs: 0, backoff: 'grow' }],
    ['500', answer(500), FRESH, { floorMs: 0, backoff: 'grow' }],
    ['503 with Retry-After', answer(503, 7000), FRESH, { floorMs: 7000, backoff: 'grow' }],
    ['Retry-After beyond the maximum', answer(503, 86_400_000), FRESH, { floorMs: 3_600_000, backoff: 'grow' }],
    ['a redirect that leads nowhere', answer(302), FRESH, { floorMs: 0, backoff: 'grow' }],
    ['another 2xx', answer(206), FRESH, { floorMs: 0, backoff: 'grow' }],
    ['HTML with 200', html, FRESH, { floorMs: 0, backoff: 'grow' }],
    [
      'an event too large, even after good ones',
      { kind: 'event-too-large' } as const,
      HEALTHY,
      { floorMs: 0, backoff: 'grow' },
    ],
    ['a refusal that may heal', refused, FRESH, { floorMs: 0, backoff: 'grow' }],
    ['retry:', broken, { ...HEALTHY, retryMs: 4000 }, { floorMs: 4000, backoff: 'reset' }],
    [
      'retry: on a planned close too',
      { kind: 'closed' } as const,
      { ...HEALTHY, retryMs: 4000 },
      { floorMs: 4000, backoff: 'none' },
    ],
    ['retry: beyond the maximum', broken, { ...HEALTHY, retryMs: 1e15 }, { floorMs: 300_000, backoff: 'reset' }],
    [
      'a close right after the start',
      { kind: 'closed' } as const,
      { ...HEALTHY, sinceStartMs: 20 },
      { floorMs: 980, backoff: 'none' },
    ],
  ] as const)('reconnects on %s', (_, outcome, facts, expected) => {
    expect(decideReconnect(outcome, facts)).toEqual({ kind: 'reconnect', cause: outcome.kind, ...expected });
  });
});
