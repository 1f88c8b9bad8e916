import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { freePort } from './free-port.js';
import { createTemporaryFolder } from './temporary-folder.js';

/** Another version of Redis can be tried by its path. */
const PROGRAM = process.env['TIDEGATE_TEST_REDIS_SERVER'] ?? '/usr/bin/redis-server';

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

export interface WatchedRedis extends AsyncDisposable {
  /** The master first, then its replicas. */
  readonly servers: readonly RedisServer[];
  readonly sentinel: string;
}

/** A master with two replicas, and a sentinel that makes one of them the master, half a second after it is gone. */
export async function startWatchedRedis(): Promise<WatchedRedis> {
  const folder = await createTemporaryFolder();
  const master = await startRedis();
  const follow = ['--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0'];
  const replicas = await Promise.all([startRedis(follow), startRedis(follow)]);
  for (const { port } of replicas)
    await until(async () => (await tell(port, 'INFO replication')).includes('master_link_status:up'));
  const port = await freePort();
  const file = join(folder.path, 'sentinel.conf');
  const watch = `sentinel monitor mymaster 127.0.0.1 ${master.port} 1\nsentinel down-after-milliseconds mymaster 500`;
  await writeFile(file, `port ${port}\nbind 127.0.0.1\n${watch}\nsentinel failover-timeout mymaster 3000\n`);
  const sentinel = spawn(PROGRAM, [file, '--sentinel'], { stdio: 'ignore', cwd: folder.path });
  const servers = [master, ...replicas];
  await until(async () => (await tell(port, 'SENTINEL MASTERS').catch(() => '')).includes('num-slaves\r\n$1\r\n2'));
  return {
    servers,
    sentinel: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const gone = new Promise((resolve) => sentinel.once('exit', resolve));
      sentinel.kill('SIGKILL');
      await gone;
      for (const server of servers) await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Another process gets there by itself, and says nothing when it does. */
async function until(isThere: () => Promise<boolean>): Promise<void> {
  while (!(await isThere())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Three masters that share the slots. */
export async function startRedisCluster(): Promise<AsyncDisposable & { readonly nodes: readonly RedisServer[] }> {
  const nodes = await Promise.all([0, 1, 2].map(() => startRedis(['--cluster-enabled', 'yes'])));
  const [first] = nodes;
  for (const [at, { port }] of nodes.entries()) {
    await tell(port, `CLUSTER SET-CONFIG-EPOCH ${at + 1}`);
    await tell(port, `CLUSTER ADDSLOTS ${slotsOf(at).join(' ')}`);
    if (at > 0) await tell(port, `CLUSTER MEET 127.0.0.1 ${first?.port ?? 0}`);
  }
  for (const { port } of nodes) {
    await until(async () => {
      const state = await tell(port, 'CLUSTER INFO');
      return state.includes('cluster_state:ok') && state.includes('cluster_known_nodes:3');
    });
  }
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]();
    },
  };
}

/** One by one: there is no command for a range before Redis 7. */
function slotsOf(master: number): readonly number[] {
  const [from = 0, to = 0] = [0, 5461, 10_923, 16_384].slice(master);
  return Array.from({ length: to - from }, (_, at) => from + at);
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
