import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { createTemporaryFolder } from './temporary-folder.js';

/** Names of network interfaces have 15 characters at most. */
const NAME = `tgfar${process.pid}`.slice(0, 13);
/** For tests of networks (RFC 2544), so in nobody's use; to a browser it is another machine. */
const HERE = '198.18.77.1';
const THERE = '198.18.77.2';

/** Tests that need an address beyond this machine's own are skipped by name where no network namespace can be made. */
export const hasFarAddress = canMakeNamespace();

function canMakeNamespace(): boolean {
  const probe = `${NAME}p`;
  try {
    ip('netns', 'add', probe);
    ip('netns', 'delete', probe);
    return true;
  } catch {
    return false;
  }
}

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: 'ignore', timeout: 10_000 });
}

/** Runs in the namespace, which shares only files with this one: from its port to a Unix socket. */
const RELAY = `
const net = require('node:net');
const [path, host] = process.argv.slice(1);
const server = net.createServer((near) => {
  const far = net.connect(path);
  for (const [one, other] of [[near, far], [far, near]])
    one.on('error', () => other.destroy()).on('close', () => other.destroy()).pipe(other);
});
server.listen(0, host, () => console.log(server.address().port));
`;

interface FarAddress extends AsyncDisposable {
  /** Of the same server as the port, by an address that is not this machine's own. */
  readonly url: string;
}

/** Makes the server at `port` of this machine reachable under an address that browsers do not trust on plain http. */
export async function openFarAddress(port: number): Promise<FarAddress> {
  const folder = await createTemporaryFolder();
  const path = join(folder.path, 'relay.sock');
  const sockets = new Set<Socket>();
  const near = createServer((socket) => {
    const hub = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [socket, hub],
      [hub, socket],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  near.listen(path);
  await once(near, 'listening');
  makeNetwork();
  const relay = spawn('ip', ['netns', 'exec', NAME, process.execPath, '-e', RELAY, path, THERE], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(relay.stdout), 'line')) as [string];
  const close = async (): Promise<void> => {
    relay.kill('SIGKILL');
    await once(relay, 'close');
    // The other end of the pair goes with it.
    ip('netns', 'delete', NAME);
    for (const socket of sockets) socket.destroy();
    near.close();
    await folder[Symbol.asyncDispose]();
  };
  return { url: `http://${THERE}:${Number(line)}`, [Symbol.asyncDispose]: close };
}

function makeNetwork(): void {
  const [here, there] = [`${NAME}a`, `${NAME}b`];
  ip('netns', 'add', NAME);
  ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', NAME);
  ip('address', 'add', `${HERE}/30`, 'dev', here);
  ip('link', 'set', here, 'up');
  ip('-n', NAME, 'address', 'add', `${THERE}/30`, 'dev', there);
  ip('-n', NAME, 'link', 'set', there, 'up');
}
