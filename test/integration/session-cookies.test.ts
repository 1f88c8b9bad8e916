import { describe, expect, test } from 'vitest';

import { mintToken } from '../../src/hub/index.js';
import { startAskingHub, TOKEN_SECRET, tokenFor } from '../support/asking-hub.js';
import { ManualClock } from '../support/clocks.js';
import { HubServer } from '../support/hub-server.js';
import { readByStandard } from '../support/standard-reader.js';
import { EVENT_SOURCE_HEADERS } from '../support/stream-requests.js';

const RETRY_MS = 2000;
const DAY_MS = 86_400_000;

interface Told {
  readonly code: string;
  readonly retryable: boolean;
  readonly retryMs: number;
}

/** How a native EventSource is refused. */
async function tell(hub: HubServer, query = '', cookie = ''): Promise<Told> {
  const headers = { ...EVENT_SOURCE_HEADERS, ...(cookie === '' ? {} : { Cookie: `session=${cookie}` }) };
  const { status, body } = await hub.get(`/subscribe/a${query}`, headers);
  expect(status).toBe(200);
  const { events, retries } = readByStandard(String(body['text']));
  const { code, retryable } = JSON.parse(events[0]?.data ?? '') as Told;
  return { code, retryable, retryMs: retries[0] ?? 0 };
}

const expired = (): Promise<string> => tokenFor({ lifetimeMs: -5000 });

describe('a native EventSource whose session is over', () => {
  test('waits 15 to 45 s for another cookie by default, never a day and never 2 s', async () => {
    await using hub = await startAskingHub(RETRY_MS);
    const waits: number[] = [];
    for (let at = 0; at < 40; at += 1) {
      const told = await tell(hub, '', await expired());
      expect(told).toMatchObject({ code: 'token-expired', retryable: true });
      waits.push(told.retryMs);
    }
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(15_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(45_000);
    // So that tabs which were refused together do not come back together.
    expect(new Set(waits).size).toBeGreaterThan(20);
  });

  test('does so too where the browser has dropped the cookie, and where it was revoked', async () => {
    await using hub = await startAskingHub(RETRY_MS);
    const missing = await tell(hub);
    expect(missing).toMatchObject({ code: 'token-missing', retryable: true });
    expect(missing.retryMs).toBeLessThanOrEqual(45_000);
    const manager = await tokenFor({ user: 'boss', grants: { connections: 'manage' } });
    const answer = await fetch(`${hub.url}/tokens/revoke`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${manager}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ application: 'shop', user: 'ann' }),
    });
    expect(answer.status).toBe(204);
    const revoked = await tell(hub, '', await tokenFor());
    expect(revoked).toMatchObject({ code: 'token-revoked', retryable: true });
    expect(revoked.retryMs).toBeLessThanOrEqual(45_000);
  });

  test.each(['token', 'Authorization'])('stays away for a day where its URL holds the token (%s)', async (name) => {
    await using hub = await startAskingHub(RETRY_MS);
    const told = await tell(hub, `?${name}=${await expired()}`);
    expect(told).toEqual({ code: 'token-expired', retryable: false, retryMs: DAY_MS });
  });

  test('stays away for a day where the hub takes no cookies, or the cookie cannot be right', async () => {
    const token = { keys: { algorithm: 'HS256', secret: 's'.repeat(40) } } as const;
    await using without = await HubServer.start({ auth: { mode: 'jwt', token } });
    expect(await tell(without)).toEqual({ code: 'token-missing', retryable: false, retryMs: DAY_MS });
    await using hub = await startAskingHub(RETRY_MS);
    expect(await tell(hub, '', 'no-token')).toEqual({ code: 'token-invalid', retryable: false, retryMs: DAY_MS });
  });
});

test('everyone else gets 401 for an expired token, with no time to wait: a new token is good at once', async () => {
  await using hub = await startAskingHub(RETRY_MS);
  const headers = { Authorization: `Bearer ${await expired()}` };
  for (const query of ['', '?control=none']) {
    const answer = await hub.get(`/subscribe/a${query}`, headers);
    expect([answer.status, answer.body['code']]).toEqual([401, 'token-expired']);
    expect(answer.headers.get('retry-after')).toBeNull();
  }
  const byCookie = await hub.get('/subscribe/a', { Cookie: `session=${await expired()}` });
  expect(byCookie.status).toBe(401);
});

test('an open stream ends once the tolerance after exp is over, not before, and at the next upkeep', async () => {
  const clock = new ManualClock(Date.now());
  const token = { keys: { algorithm: 'HS256', secret: TOKEN_SECRET } } as const;
  await using hub = await HubServer.start({ auth: { mode: 'jwt', token }, clock, heartbeatMs: 160 });
  const text = await mintToken({
    secret: TOKEN_SECRET,
    application: 'shop',
    user: 'ann',
    lifetimeMs: 60_000,
    grants: { subscribe: ['a'] },
    nowMs: clock.now(),
  });
  const { exp } = JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()) as { readonly exp: number };
  await using client = await hub.subscribe('a', { Authorization: `Bearer ${text}` });
  await client.event('tidegate.live');
  clock.advance(exp * 1000 + 4999 - clock.now());
  // Sixteen looks for what is over lie between two heartbeats.
  const heard = client.comments.length;
  await client.until(({ comments }) => comments.length > heard + 1);
  expect((await hub.get('/channels/a', { Authorization: `Bearer ${text}` })).status).toBe(200);
  clock.advance(1);
  await client.ended();
  expect(JSON.parse(client.events.at(-1)?.data ?? '')).toMatchObject({ code: 'token-expired', retryable: true });
  const again = await hub.get('/subscribe/a', { Authorization: `Bearer ${text}` });
  expect([again.status, again.body['code']]).toEqual([401, 'token-expired']);
});
