import type { ServerResponse } from 'node:http';

import { beforeAll, describe, expect, it } from 'vitest';

import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { startJwksServer } from '../../../test/support/jwks-server.js';
import { createTestKey } from '../../../test/support/tokens.js';
import type { TestKey } from '../../../test/support/tokens.js';
import { HubError } from '../errors.js';
import { NO_GRANTS } from './grants.js';
import { DEFAULT_KEY_TIMES, RemoteKeys } from './remote-keys.js';
import { TokenVerifier } from './token-verifier.js';

const { maxAgeMs, staleMs, cooldownMs, timeoutMs } = DEFAULT_KEY_TIMES;

let one: TestKey;
let two: TestKey;
beforeAll(async () => {
  [one, two] = await Promise.all([createTestKey('ES256', 'one'), createTestKey('ES256', 'two')]);
});

interface Rig {
  readonly clock: ManualClock;
  readonly logger: ReturnType<typeof createCapturingLogger>;
  readonly keys: RemoteKeys;
  /** The code with which a token of `key` is refused, or `taken`. */
  readonly code: (key: TestKey, header?: Readonly<Record<string, unknown>>) => Promise<string>;
}

function rig(url: string): Rig {
  const clock = new ManualClock();
  const logger = createCapturingLogger();
  const keys = new RemoteKeys({ url, algorithm: 'ES256', clock, logger });
  const rules = { audience: undefined, issuers: [], toleranceMs: 5000, withoutClaim: NO_GRANTS };
  const verifier = new TokenVerifier({ algorithm: 'ES256', keys, clock, rules });
  const exp = clock.now() / 1000 + 7 * 86_400;
  const tokens = new Map<string, string>();
  const code: Rig['code'] = async (key, header) => {
    // The same token each time: ES256 signs differently whenever it signs.
    const name = JSON.stringify([key.publicJwk, header]);
    const token = tokens.get(name) ?? (await key.sign({ iss: 'shop', sub: 'ada', exp }, header));
    tokens.set(name, token);
    try {
      await verifier.verify(token);
      return 'taken';
    } catch (error) {
      if (error instanceof HubError) return error.code;
      throw error;
    }
  };
  return { clock, logger, keys, code };
}

const setOf = (...keys: readonly TestKey[]): object => ({ keys: keys.map(({ publicJwk }) => publicJwk) });

describe('RemoteKeys', () => {
  it('asks once for all who wait, and not again while the keys are young', async () => {
    await using server = await startJwksServer(setOf(one));
    const { code, clock } = rig(server.url);
    expect(await Promise.all([code(one), code(one), code(one)])).toEqual(['taken', 'taken', 'taken']);
    clock.advance(maxAgeMs - 1);
    expect(await code(one)).toBe('taken');
    expect(server.asked).toBe(1);
  });

  it('takes up a key that came in by rotation when a token names it', async () => {
    await using server = await startJwksServer(setOf(one));
    const { code, clock } = rig(server.url);
    expect(await code(one)).toBe('taken');
    server.answer = setOf(one, two);
    clock.advance(cooldownMs);
    expect(await code(two)).toBe('taken');
    expect(server.asked).toBe(2);
  });

  it('lets go of a key that was withdrawn, also for tokens that were checked before', async () => {
    await using server = await startJwksServer(setOf(one, two));
    const { code, clock, keys } = rig(server.url);
    expect(await code(one)).toBe('taken');
    server.answer = setOf(two);
    clock.advance(maxAgeMs);
    expect(await code(two)).toBe('taken');
    expect(keys.generation).toBe(2);
    expect(await code(one)).toBe('token-unknown-key');
  });

  it('cannot be made to flood the server by tokens with invented keys', async () => {
    await using server = await startJwksServer(setOf(one));
    const { code, clock } = rig(server.url);
    for (let attempt = 0; attempt < 20; attempt += 1) {
      expect(await code(two, { kid: `invented-${attempt}` })).toBe('token-unknown-key');
    }
    expect(server.asked).toBe(1);
    clock.advance(cooldownMs);
    await code(two, { kid: 'invented' });
    expect(server.asked).toBe(2);
  });

  it('goes on with its last keys while their server is out of order, for a day', async () => {
    await using server = await startJwksServer(setOf(one));
    const { code, clock, logger } = rig(server.url);
    expect(await code(one)).toBe('taken');
    server.answer = (response) => response.writeHead(503).end();
    clock.advance(maxAgeMs);
    expect(await code(one)).toBe('taken');
    clock.advance(staleMs - maxAgeMs - 1);
    expect(await code(one)).toBe('taken');
    clock.advance(cooldownMs);
    expect(await code(one, { again: 1 })).toBe('keys-unavailable');
    expect(logger.lines[0]).toMatchObject({ level: 'warn', fields: { reason: 'status 503' } });
    expect(JSON.stringify(logger.lines)).not.toContain('in-the-url');
    server.answer = setOf(one);
    clock.advance(cooldownMs);
    expect(await code(one)).toBe('taken');
  });

  it('calls a new key unavailable, not unknown, while it cannot look', async () => {
    await using server = await startJwksServer(setOf(one));
    const { code, clock } = rig(server.url);
    await code(one);
    server.answer = (response) => response.writeHead(500).end();
    clock.advance(cooldownMs);
    expect(await code(two)).toBe('keys-unavailable');
  });

  it.each([
    ['says nothing at all', (): void => {}],
    ['begins an answer and stops', (response: ServerResponse): void => void response.write('{"keys":[')],
  ])('gives up a server that %s', async (_how, hang) => {
    await using server = await startJwksServer(hang);
    const { code, clock, logger } = rig(server.url);
    const answer = code(one);
    await server.untilAsked(1);
    clock.advance(timeoutMs);
    expect(await answer).toBe('keys-unavailable');
    expect(logger.lines[0]?.fields).toMatchObject({ reason: `no answer within ${timeoutMs} ms` });
    expect(clock.timers).toBe(0);
  });

  it('holds nobody up behind a server that hangs, once it has keys', async () => {
    await using server = await startJwksServer(setOf(one));
    const { code, clock } = rig(server.url);
    await code(one);
    server.answer = (response) => response.writeHead(500).end();
    clock.advance(maxAgeMs);
    await code(one, { again: 1 });
    server.answer = () => {};
    clock.advance(cooldownMs);
    expect(await code(one, { again: 2 })).toBe('taken');
    await server.untilAsked(3);
    clock.advance(timeoutMs);
  });

  it.each([
    ['a page', (response: ServerResponse): void => void response.end('<html>')],
    ['another document', { keys: 'none' }],
    ['no key at all', { keys: [] }],
    ['a secret', { keys: [{ kty: 'oct', kid: 'one', k: 'c2VjcmV0' }] }],
    [
      'megabytes',
      (response: ServerResponse): void =>
        void response.end(`${JSON.stringify(setOf(one))}${' '.repeat(8 * 1024 * 1024)}`),
    ],
    ['a redirect', (response: ServerResponse): void => void response.writeHead(302, { location: '/elsewhere' }).end()],
  ])('takes no keys from a server that answers with %s', async (_what, answer) => {
    await using server = await startJwksServer(answer);
    const { code, logger } = rig(server.url);
    expect(await code(one)).toBe('keys-unavailable');
    expect(server.asked).toBe(1);
    expect(logger.lines).toHaveLength(1);
    expect(JSON.stringify(logger.lines)).not.toMatch(/in-the-url|html|c2VjcmV0/);
  });

  it('reads at most 100 keys of a set', async () => {
    const many = Array.from({ length: 100 }, (_, n) => ({ ...two.publicJwk, kid: `k${n}` }));
    await using server = await startJwksServer({ keys: [...many, one.publicJwk] });
    expect(await rig(server.url).code(one)).toBe('token-unknown-key');
  });

  it('is silent once it is closed', async () => {
    await using server = await startJwksServer(() => {});
    const { code, keys, logger, clock } = rig(server.url);
    const answer = code(one);
    await server.untilAsked(1);
    keys.close();
    expect(await answer).toBe('keys-unavailable');
    expect([logger.lines.length, clock.timers]).toEqual([0, 0]);
  });
});
