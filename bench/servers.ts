import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type ServerName = 'tidegate' | 'naive' | 'nchan';

/** A server under load, in a process of its own. */
export interface BenchServer extends AsyncDisposable {
  readonly name: ServerName;
  /** The processes that do its work. */
  readonly pids: readonly number[];
  readonly subscribeUrl: string;
  readonly publishUrl: string;
}

const PORTS: Readonly<Record<ServerName, number>> = { tidegate: 7390, nchan: 7391, naive: 7392 };
const NCHAN_MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';

export const hasNchan = existsSync(NCHAN_MODULE) && existsSync('/usr/sbin/nginx');

/** Starts a server; `options` go to the hub, where it is ours. */
export async function startServer(name: ServerName, options: object = {}): Promise<BenchServer> {
  switch (name) {
    case 'tidegate':
      return startNode(name, {
        args: [JSON.stringify(options)],
        subscribe: '/subscribe/bench',
        publish: '/publish/bench?raw=true',
      });
    case 'naive':
      return startNode(name, { args: [], subscribe: '/', publish: '/' });
    case 'nchan':
      return startNchan();
  }
}

interface NodeServer {
  readonly args: readonly string[];
  readonly subscribe: string;
  readonly publish: string;
}

async function startNode(name: ServerName, { args, subscribe, publish }: NodeServer): Promise<BenchServer> {
  const port = PORTS[name];
  const child = spawn(process.execPath, ['--expose-gc', `bench/servers/${name}.mjs`, String(port), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await listening(port);
  const url = `http://127.0.0.1:${port}`;
  return {
    name,
    pids: [child.pid ?? 0],
    subscribeUrl: url + subscribe,
    publishUrl: url + publish,
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
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

async function listening(port: number): Promise<void> {
  for (const deadlineMs = Date.now() + 10_000; Date.now() < deadlineMs;) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Nothing listens on port ${port}`);
}
