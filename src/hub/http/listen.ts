import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo, ListenOptions as NetListenOptions, Server } from 'node:net';

import { readListenAddress } from '../../runtime/index.js';
import type { ListenAddress } from '../../runtime/index.js';

import { takeBareRequests } from './bare-server.js';
import type { BareListener } from './bare-listener.js';
import { countRequests } from './request-gate.js';
import { createSecureHubServer } from './secure-server.js';
import type { EndableServer, ServerLimits, TlsIdentity } from './secure-server.js';
import { boundSockets } from './socket-room.js';
import { openToGroup, removeStaleSocket } from './unix-socket.js';

export interface ListenOptions {
  /** An address, a name, or `unix:/run/tidegate.sock` for a Unix socket (default `127.0.0.1`). */
  readonly host?: string;
  /** Default 8080; 0 takes any free one. A Unix socket has none. */
  readonly port?: number;
  /** Serves HTTPS: HTTP/2, and HTTP/1.1 to who does not speak it (default: plain HTTP/1.1). */
  readonly tls?: TlsIdentity;
  /** Sockets that the process may have, streams and all others (default: no limit). Near it silent connections give way. */
  readonly socketsMax?: number;
}

/** A server that listens. */
export interface HubServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:8080`; of a Unix socket `unix:` and its path. */
  readonly url: string;
  /** 0 of a Unix socket. */
  readonly port: number;
  /** Takes no new connections, ends idle ones, and after a second all; resolves when the last has gone. */
  close(): Promise<void>;
}

/** As large as the system allows: a thousand clients that reconnect at once must not wait for SYN retries. */
const BACKLOG = 65_535;

/** Bytes of a request's head. */
const HEAD_BYTES_MAX = 80 * 1024;

/** Milliseconds that requests under way get to end when the server closes. */
const CLOSE_GRACE_MS = 1000;

const LIMITS: ServerLimits = {
  // A publish may stream for days; each body has an idle limit of its own. Heads stay limited.
  requestTimeout: 0,
  headersTimeout: 20_000,
  // Longer than load balancers keep theirs (60 s is common), or they meet a connection just closed.
  keepAliveTimeout: 75_000,
  // A hundred channels in one query, each as long as may be and percent-encoded, take four times Node's 16 KiB.
  maxHeaderSize: HEAD_BYTES_MAX,
  // Finds out who vanished inside a publish that streams: nothing is ever sent to them.
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};

/**
 * Serves a hub's handler with the limits that streams need, where Node's own would cut them.
 * @throws Error with the system's code where the address cannot be had, or OpenSSL's where `tls` is no good.
 */
export async function listen(
  hub: { readonly handler: RequestListener; readonly bareHandler?: BareListener },
  { host = '127.0.0.1', port = 8080, tls, socketsMax }: ListenOptions = {},
): Promise<HubServer> {
  const { server, endIdle, endAll, yieldOne } =
    tls === undefined
      ? createPlainServer(hub.handler, hub.bareHandler)
      : createSecureHubServer(tls, LIMITS, hub.handler);
  if (socketsMax !== undefined) boundSockets(server, socketsMax, yieldOne);
  const place = await listenAt(server, readListenAddress(host), port);
  const close = (): Promise<void> =>
    new Promise((resolve, reject) => {
      server.close((error) => (error && !isNotRunning(error) ? reject(error) : resolve()));
      endIdle();
      // A socket on which no request ever came is not idle to Node, and would keep the server for ever.
      setTimeout(endAll, CLOSE_GRACE_MS).unref();
    });
  const url = place.kind === 'unix' ? `unix:${place.path}` : `${tls === undefined ? 'http' : 'https'}://${place.shown}`;
  return { url, port: place.port, close, [Symbol.asyncDispose]: close };
}

type Place =
  | { readonly kind: 'tcp'; readonly shown: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string; readonly port: 0 };

async function listenAt(server: Server, address: ListenAddress, port: number): Promise<Place> {
  if (address.kind === 'unix') {
    const { path } = address;
    await removeStaleSocket(path);
    await untilListening(server, { path, backlog: BACKLOG });
    await openToGroup(path);
    return { kind: 'unix', path, port: 0 };
  }
  await untilListening(server, { host: address.host, port, backlog: BACKLOG });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is no string
  const bound = server.address() as AddressInfo;
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return { kind: 'tcp', shown: `${host}:${bound.port}`, port: bound.port };
}

function untilListening(server: Server, options: NetListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function createPlainServer(handler: RequestListener, bareHandler: BareListener = () => false): EndableServer {
  const server = createServer({ ...LIMITS, requireHostHeader: false });
  countRequests(server, handler);
  const bare = takeBareRequests(server, bareHandler, LIMITS.headersTimeout);
  return {
    server,
    endIdle: () => server.closeIdleConnections(),
    endAll() {
      server.closeAllConnections();
      for (const socket of bare.held) socket.destroy();
    },
    yieldOne(newcomer) {
      const [oldest] = bare.silent;
      if (oldest === undefined || oldest === newcomer) server.closeIdleConnections();
      else oldest.destroy();
    },
  };
}

function isNotRunning(error: Error): boolean {
  return 'code' in error && error.code === 'ERR_SERVER_NOT_RUNNING';
}
