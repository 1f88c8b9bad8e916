import type { RequestListener } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import { countRequests, gateRequests } from './request-gate.js';

/** What a server needs to speak TLS; a chain has the server's own certificate first. */
export interface TlsIdentity {
  /** PEM. */
  readonly cert: string | Buffer;
  /** PEM, without a passphrase. */
  readonly key: string | Buffer;
}

/** Limits that hold for HTTP/1.1 and HTTP/2 alike; times are in milliseconds. */
export interface ServerLimits {
  readonly requestTimeout: number;
  readonly headersTimeout: number;
  readonly keepAliveTimeout: number;
  /** Bytes. */
  readonly maxHeaderSize: number;
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
}

/** A server that takes no calls yet, and the two ways to be rid of those that it will have. */
export interface EndableServer {
  readonly server: Server;
  /** Lets go of who has nothing under way, and takes nothing new from the others. */
  readonly endIdle: () => void;
  /** Cuts everyone. */
  readonly endAll: () => void;
}

/** Streams of one HTTP/2 connection; more wait in the client. A browser has one connection for all its tabs. */
const STREAMS_MAX = 250;

/** Megabytes that one connection may have on its way: a flush to each stream, twice. Then it gets no new stream. */
const SESSION_MEMORY_MAX = 128;

/**
 * A server that speaks HTTP/2, and HTTP/1.1 to who asks for that.
 * @throws Error of OpenSSL where the certificate and the key are not PEM, or not of each other.
 */
export function createSecureHubServer(
  { cert, key }: TlsIdentity,
  limits: ServerLimits,
  handler: RequestListener,
): EndableServer {
  const server = createSecureServer({
    ...limits,
    cert,
    key,
    allowHTTP1: true,
    handshakeTimeout: limits.headersTimeout,
    maxSessionMemory: SESSION_MEMORY_MAX,
    settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: limits.maxHeaderSize },
  });
  // Node's two kinds of exchange are made to be used alike.
  countRequests(server, handler);
  // Node 20 reads none of these from the options, and its own would cut a publish after five minutes.
  const { requestTimeout, headersTimeout, keepAliveTimeout, maxHeaderSize } = limits;
  Object.assign(server, { requestTimeout, headersTimeout, keepAliveTimeout, maxHeaderSize });
  const sockets = membersOf<Socket>();
  const sessions = membersOf<ServerHttp2Session>();
  server.on('connection', (socket) => sockets.add(socket));
  // After the HTTP server's own listener: the gate stands before its parser.
  server.on('secureConnection', gateHttp1);
  server.on('session', (session) => {
    sessions.add(session);
    // Closing lets streams live on: only a connection that nobody uses ends.
    session.setTimeout(keepAliveTimeout, () => session.close());
  });
  return {
    server,
    // Closing the server ends what is idle of HTTP/1.1.
    endIdle: () => sessions.forEach((session) => session.close()),
    // Also who never got as far as a request, or a handshake.
    endAll: () => sockets.forEach((socket) => socket.destroy()),
  };
}

/**
 * The gate also takes an HTTP/1.1 connection's bytes away from Node's shortcut from TLS to its parser. A client that
 * sends many requests without waiting for answers is paused by Node's HTTP server; the shortcut goes on with what it has
 * deciphered already, and the paused parser takes that for a broken request and cuts the connection. A stream that is
 * paused keeps its bytes.
 */
function gateHttp1(socket: TLSSocket): void {
  if (socket.alpnProtocol !== 'h2') gateRequests(socket, false);
}

interface Closable {
  once(event: 'close', listener: () => void): unknown;
}

/** Those that have not closed yet. */
function membersOf<Member extends Closable>() {
  const members = new Set<Member>();
  return {
    add(member: Member): void {
      members.add(member);
      member.once('close', () => void members.delete(member));
    },
    forEach(act: (member: Member) => void): void {
      for (const member of members) act(member);
    },
  };
}
