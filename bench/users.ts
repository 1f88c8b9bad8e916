// Users with a connection each on a hub that asks for tokens (HS256), in a process of its own:
//   tsx bench/users.ts '{"url": "http://127.0.0.1:7390", "secret": "…", "users": 10000, "serverPids": [1]}'
// Prints one line of JSON. Each user has a token of their own, and is published one event.
import { pathToFileURL } from 'node:url';

import type { mintToken as Mint } from '../src/hub/index.js';
import type { singleKey as SingleKey } from '../src/hub/auth/key-set.js';
import type { staticKeys as StaticKeys } from '../src/hub/auth/static-keys.js';
import type { TokenVerifier as Verifier } from '../src/hub/auth/token-verifier.js';
import { cpuSeconds, residentBytes } from './process-usage.js';
import { openSocket, StreamOpener } from './wire.js';

interface Options {
  readonly url: string;
  readonly secret: string;
  readonly users: number;
  readonly serverPids: readonly number[];
  readonly eventBytes: number;
}

interface Received {
  /** Live streams, and those that got their event. */
  live: number;
  delivered: number;
  closed: number;
}

const LIFETIME_MS = 3_600_000;
const PACED_CONNECTS = 500;
const PACE_MS = 20;
/** No user comes or goes for so long: the hub has come to rest. */
const REST_MS = 1000;
const PATIENCE_MS = 60_000;
const LIVE = 'event: tidegate.live';
const MARK = 'x'.repeat(20);
const ANSWER = 'HTTP/1.1 ';

const load = async <Module>(path: string): Promise<Module> =>
  (await import(pathToFileURL(`dist/hub/${path}`).href)) as Module;
const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (const deadlineMs = performance.now() + PATIENCE_MS; !isTrue();) {
    if (performance.now() > deadlineMs) throw new Error(`Waited ${PATIENCE_MS} ms in vain: ${what}`);
    await pause(5);
  }
}

/** Memory after a collection, which the server makes when it is told to. */
async function weigh(pids: readonly number[]): Promise<number> {
  await pause(REST_MS);
  for (const pid of pids) process.kill(pid, 'SIGUSR2');
  await pause(REST_MS);
  return residentBytes(pids);
}

async function mintAll({ secret, users }: Options, mint: typeof Mint): Promise<readonly string[]> {
  const common = { secret, application: 'bench', lifetimeMs: LIFETIME_MS, nowMs: Date.now() };
  return Promise.all(Array.from({ length: users }, (_, at) => mint({ ...common, user: `user-${at}` })));
}

async function connectAll({ url }: Options, tokens: readonly string[], received: Received): Promise<void> {
  for (const [at, token] of tokens.entries()) {
    let text = '';
    const onChunk = (chunk: Buffer): void => {
      const before = text;
      text += chunk.toString('latin1');
      if (!before.includes(LIVE) && text.includes(LIVE)) received.live += 1;
      if (!before.includes(MARK) && text.includes(MARK)) received.delivered += 1;
    };
    const opener = new StreamOpener(`${url}/sse`, 'http', { Authorization: `Bearer ${token}` });
    opener.open({ onChunk, onClosed: () => (received.closed += 1) });
    if (at % PACED_CONNECTS === PACED_CONNECTS - 1) await pause(PACE_MS);
  }
  await until(() => received.live === tokens.length, `${received.live} of ${tokens.length} streams are live`);
}

/** One request for each user, pipelined over one connection. Resolves to how many were not answered with 200. */
async function publishToEach({ url, users, eventBytes }: Options, token: string): Promise<number> {
  const socket = openSocket(url);
  const { host } = new URL(url);
  const head = `Host: ${host}\r\nAuthorization: Bearer ${token}\r\nContent-Type: text/plain\r\nContent-Length: ${eventBytes}\r\n\r\n`;
  const body = 'x'.repeat(eventBytes);
  let answers = 0;
  let refused = 0;
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString('latin1')).split(ANSWER);
    // The last part may be cut inside its status, or hold the beginning of the next answer.
    const last = parts.pop() ?? '';
    for (const part of [...parts, ...(last.length > 30 ? [last] : [])]) {
      if (!/^\d{3} /.test(part)) continue;
      answers += 1;
      if (!part.startsWith('200')) refused += 1;
    }
    rest = last.length > 30 ? last.slice(-ANSWER.length) : ANSWER + last;
  });
  for (let at = 0; at < users; at += 1) socket.write(`POST /publish/users/bench/user-${at} HTTP/1.1\r\n${head}${body}`);
  await until(() => answers >= users, 'every publish is answered');
  socket.destroy();
  return refused;
}

/** Microseconds to check a token that was never seen, and one that is remembered. */
async function timeVerifying(secret: string, tokens: readonly string[]): Promise<readonly [number, number]> {
  const { TokenVerifier } = await load<{ TokenVerifier: typeof Verifier }>('auth/token-verifier.js');
  const { singleKey } = await load<{ singleKey: typeof SingleKey }>('auth/key-set.js');
  const { staticKeys } = await load<{ staticKeys: typeof StaticKeys }>('auth/static-keys.js');
  const withoutClaim = { subscribe: [], publish: [], connections: 'none', users: false, operate: 'none' } as const;
  const createVerifier = (): Verifier =>
    new TokenVerifier({
      algorithm: 'HS256',
      keys: staticKeys(singleKey(new TextEncoder().encode(secret))),
      rules: { audience: undefined, issuers: [], toleranceMs: 5000, withoutClaim },
      clock: { now: () => Date.now(), after: () => () => undefined },
    });
  const time = async (verifier: Verifier): Promise<number> => {
    const startedMs = performance.now();
    for (const token of tokens) await verifier.verify(token);
    return ((performance.now() - startedMs) * 1000) / tokens.length;
  };
  // The first pass is for the compiler.
  await time(createVerifier());
  const verifier = createVerifier();
  return [await time(verifier), await time(verifier)];
}

async function run(options: Options): Promise<Readonly<Record<string, number>>> {
  const { serverPids, users, secret } = options;
  const { mintToken } = await load<{ mintToken: typeof Mint }>('index.js');
  const tokens = await mintAll(options, mintToken);
  const who = { secret, application: 'bench', user: 'publisher', lifetimeMs: LIFETIME_MS, nowMs: Date.now() };
  const publisher = await mintToken({ ...who, grants: { users: true } });
  const received: Received = { live: 0, delivered: 0, closed: 0 };
  const residentBefore = await weigh(serverPids);
  const cpuBefore = cpuSeconds(serverPids);
  await connectAll(options, tokens, received);
  const cpuConnected = cpuSeconds(serverPids);
  const residentConnected = await weigh(serverPids);
  const cpuAtRest = cpuSeconds(serverPids);
  const refused = await publishToEach(options, publisher);
  await until(() => received.delivered === users, 'every user has their event');
  const cpuDelivered = cpuSeconds(serverPids);
  const residentDelivered = await weigh(serverPids);
  const [verifyFirstMicroseconds, verifyCachedMicroseconds] = await timeVerifying(secret, tokens);
  return {
    bytesEach: (residentConnected - residentBefore) / users,
    bytesEachWithEvent: (residentDelivered - residentBefore) / users,
    connectCpuMicroseconds: ((cpuConnected - cpuBefore) * 1e6) / users,
    deliveryCpuMicroseconds: ((cpuDelivered - cpuAtRest) * 1e6) / users,
    verifyFirstMicroseconds,
    verifyCachedMicroseconds,
    refused,
    lostConnections: received.closed,
  };
}

const result = await run(JSON.parse(process.argv[2] ?? '{}') as Options);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
