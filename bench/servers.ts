import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import type { HubOptions } from '../src/hub/index.js';
import { createCertificate } from '../test/support/certificate.js';
import type { Wire } from './wire.js';

export type ServerName =
  | 'tidegate'
  | 'tidegate --workers 2'
  | 'tidegate over TLS'
  | 'tidegate over HTTP/2'
  | 'tidegate with gzip'
  | BeforeName
  | 'naive'
  | 'nchan';

/** The same hub as another checkout has built it. */
type BeforeName = 'before: tidegate' | 'before: tidegate with gzip';

/** A server under load, in a process of its own. */
export interface BenchServer extends AsyncDisposable {
  readonly name: ServerName;
  /** The processes that do its work. */
  readonly pids: readonly number[];
  readonly subscribeUrl: string;
  readonly publishUrl: string;
  /** How to speak to it. */
  readonly wire: Wire;
  readonly isGzip: boolean;
}

const PORTS = { tidegate: 7390, nchan: 7391, naive: 7392 } as const;
const NCHAN_MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';

export const hasNchan = existsSync(NCHAN_MODULE) && existsSync('/usr/sbin/nginx');

const HUB = { script: 'tidegate', subscribe: '/subscribe/bench', publish: '/publish/bench?raw=true' } as const;

/** The checkout whose build is measured beside this one. */
let beforeFolder: string | undefined;

/** `folder` is another checkout, built; loads on the hub are then measured on both, in turn. */
export function compareWith(folder: string): void {
  beforeFolder = folder;
}

/** `servers`, each followed by the same of the other build, if there is one. */
export function withBefore(servers: readonly ServerName[]): readonly ServerName[] {
  if (beforeFolder === undefined) return servers;
  return servers.flatMap((name): readonly ServerName[] =>
    name === 'tidegate' || name === 'tidegate with gzip' ? [name, `before: ${name}`] : [name],
  );
}

/** Starts a server in processes of its own; `hub` are options of a hub in one process over plain HTTP. */
export async function startServer(name: ServerName, hub: HubOptions = {}): Promise<BenchServer> {
  switch (name) {
    case 'tidegate':
      return startNode(name, { ...HUB, options: { hub } });
    case 'tidegate with gzip':
      return startNode(name, { ...HUB, isGzip: true });
    case 'before: tidegate':
      return startNode(name, { ...HUB, options: { hub }, folder: beforeFolder });
    case 'before: tidegate with gzip':
      return startNode(name, { ...HUB, isGzip: true, folder: beforeFolder });
    case 'tidegate over TLS':
      return startNode(name, { ...HUB, wire: 'https', options: { tls: createCertificate() } });
    case 'tidegate over HTTP/2':
      return startNode(name, { ...HUB, wire: 'http2', options: { tls: createCertificate() } });
    case 'tidegate --workers 2':
      return startWorkers(name, 2);
    case 'naive':
      return startNode(name, { script: 'naive', subscribe: '/', publish: '/' });
    case 'nchan':
      return startNchan();
  }
}

interface NodeServer {
  readonly script: 'tidegate' | 'naive';
  readonly subscribe: string;
  readonly publish: string;
  readonly wire?: Wire;
  readonly isGzip?: boolean;
  readonly options?: object;
  /** The checkout that it runs from (default: this one). */
  readonly folder?: string | undefined;
}

async function startNode(name: ServerName, server: NodeServer): Promise<BenchServer> {
  const { script, subscribe, publish, wire = 'http', isGzip = false, options = {}, folder } = server;
  const port = PORTS[script];
  const node = await spawnNode(script, port, options, folder);
  const url = `${wire === 'http' ? 'http' : 'https'}://127.0.0.1:${port}`;
  return {
    name,
    pids: [node.pid],
    subscribeUrl: url + subscribe,
    publishUrl: url + publish,
    wire,
    isGzip,
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

/** Runs a script of `servers/` in a process of its own; resolves when it listens. */
export async function spawnNode(
  script: NodeServer['script'],
  port: number,
  options: object,
  folder = '.',
): Promise<AsyncDisposable & { readonly pid: number }> {
  const path = resolve(folder, 'bench', 'servers', `${script}.mjs`);
  const args = ['--expose-gc', path, String(port), JSON.stringify(options)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  await listening(port);
  return { pid: child.pid ?? 0, [Symbol.asyncDispose]: () => stop(child) };
}

/** As it is started by hand: the supervisor, the primary and the workers all count. */
async function startWorkers(name: ServerName, workers: number): Promise<BenchServer> {
  const args = ['dist/cli/main.js', 'serve', '--workers', String(workers), '--hub.drainMs', '0', '--port'];
  const child = spawn(process.execPath, [...args, String(PORTS.tidegate)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((tell) => child.stdout.once('data', tell));
  child.stdout.resume();
  const supervisor = child.pid ?? 0;
  const url = `http://127.0.0.1:${PORTS.tidegate}`;
  return {
    name,
    pids: [supervisor, ...childrenOf(supervisor)],
    subscribeUrl: url + HUB.subscribe,
    publishUrl: url + HUB.publish,
    wire: 'http',
    isGzip: false,
    [Symbol.asyncDispose]: () => stop(child),
  };
}

async function startNchan(): Promise<BenchServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-nchan-'));
  const child = spawn('/usr/sbin/nginx', ['-p', folder, '-c', join(process.cwd(), 'bench/servers/nchan.conf')], {
    stdio: 'ignore',
  });
  await listening(PORTS.nchan);
  const url = `http://127.0.0.1:${PORTS.nchan}`;
  return {
    name: 'nchan',
    pids: childrenOf(child.pid ?? 0),
    subscribeUrl: `${url}/subscribe`,
    publishUrl: `${url}/publish`,
    wire: 'http',
    isGzip: false,
    async [Symbol.asyncDispose]() {
      await stop(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise((tell) => child.once('exit', tell));
  child.kill('SIGTERM');
  await gone;
}

async function listening(port: number): Promise<void> {
  for (const deadlineMs = Date.now() + 10_000; Date.now() < deadlineMs;) {
    const isUp = await new Promise<boolean>((tell) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('connect', () => tell(true)).on('error', () => tell(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isUp) return;
    await new Promise((tell) => setTimeout(tell, 50));
  }
  throw new Error(`Nothing listens on port ${port}`);
}
