import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

import { createTemporaryFolder } from './temporary-folder.js';

const PROGRAM = '/usr/bin/redis-server';

/** Whether a real Redis can be started here; tests that need it are skipped by name where it cannot. */
export const hasRedis = existsSync(PROGRAM);

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again, on the same port, with the same folder. */
  start(): Promise<void>;
}

/** A real Redis on a free port, with its files in a folder of its own; `settings` are its command line. */
export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  const folder = await createTemporaryFolder();
  let port = await freePort();
  // The nodes of a cluster talk on a port 10,000 higher.
  while (port > 55_000) port = await freePort();
  let running: ChildProcess | undefined = await run(port, folder.path, settings);
  const kill = async (): Promise<void> => {
    const child = running;
    running = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    async start() {
      running = await run(port, folder.path, settings);
    },
    async [Symbol.asyncDispose]() {
      await kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Three masters that share the slots. */
export async function startRedisCluster(): Promise<AsyncDisposable & { readonly nodes: readonly RedisServer[] }> {
  const nodes = await Promise.all([0, 1, 2].map(() => startRedis(['--cluster-enabled', 'yes'])));
  const [first] = nodes;
  for (const [at, { port }] of nodes.entries()) {
    await tell(port, `CLUSTER SET-CONFIG-EPOCH ${at + 1}`);
    await tell(port, `CLUSTER ADDSLOTSRANGE ${[0, 5461, 10_923][at]} ${[5460, 10_922, 16_383][at]}`);
    if (at > 0) await tell(port, `CLUSTER MEET 127.0.0.1 ${first?.port ?? 0}`);
  }
  for (const { port } of nodes) {
    for (;;) {
      const state = await tell(port, 'CLUSTER INFO');
      if (state.includes('cluster_state:ok') && state.includes('cluster_known_nodes:3')) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]();
    },
  };
}

/** What Redis answers to one command. */
export function tell(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
    socket.end(`${command}\r\n`);
  });
}

/** A port that nobody listens on just now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when it takes connections. */
function run(port: number, folder: string, settings: readonly string[]): Promise<ChildProcess> {
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--daemonize', 'no'];
  const child = spawn(PROGRAM, [...fixed, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`redis-server ended:\n${said.slice(-5).join('\n')}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line);
      if (line.includes('Ready to accept connections')) resolve(child);
    });
  });
}
