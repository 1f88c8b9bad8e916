import type { RequestListener } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';

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
  /** Ends the oldest connection but `newcomer` that has asked for nothing yet, else what has nothing under way. */
  readonly yieldOne: (newcomer: Socket) => void;
}

/** Streams of one HTTP/2 connection; more wait in the client. A browser has one connection for all its tabs. */
const STREAMS_MAX = 250;

/** Headers of one request. */
const HEADER_PAIRS_MAX = 128;

/** Frames that break the protocol, before the connection is ended. */
const INVALID_FRAMES_MAX = 100;

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
    maxHeaderListPairs: HEADER_PAIRS_MAX,
    maxSessionInvalidFrames: INVALID_FRAMES_MAX,
    settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: limits.maxHeaderSize },
  });
  // Node's two kinds of exchange are made to be used alike.
  countRequests(server, refuseLargeHeads(handler, limits.maxHeaderSize));
  // Node 20 reads none of these from the options, and its own would cut a publish after five minutes.
  const { requestTimeout, headersTimeout, keepAliveTimeout, maxHeaderSize } = limits;
  Object.assign(server, { requestTimeout, headersTimeout, keepAliveTimeout, maxHeaderSize });
  const sockets = membersOf<Socket>();
  const sessions = membersOf<ServerHttp2Session>();
  /** Still in their handshake, by their other end: a socket and its TLS socket have nothing else in common. */
  const greeting = new Map<string, Socket>();
  /** Without a request until now. */
  const unused = membersOf<Closable & { destroy(): unknown }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    const end = otherEnd(socket);
    greeting.set(end, socket);
    socket.once('close', () => greeting.delete(end));
  });
  // After the HTTP server's own listener. The gate also takes an HTTP/1.1 connection's bytes away from Node's shortcut from
  // TLS to its parser: when Node's HTTP server pauses a client, the shortcut goes on with what it has deciphered already,
  // and the paused parser takes that for a broken request and cuts the connection. A stream that is paused keeps its bytes.
  server.on('secureConnection', (socket) => {
    greeting.delete(otherEnd(socket));
    if (socket.alpnProtocol === 'h2') return;
    gateRequests(socket, false);
    unused.add(socket);
    socket.once('data', () => unused.delete(socket));
  });
  server.on('session', (session) => {
    sessions.add(session);
    unused.add(session);
    session.once('stream', () => unused.delete(session));
    // Closing lets streams live on: only a connection that nobody uses ends.
    session.setTimeout(keepAliveTimeout, () => session.close());
  });
  return {
    server,
    // Closing the server ends what is idle of HTTP/1.1.
    endIdle: () => sessions.forEach((session) => session.close()),
    // Also who never got as far as a request, or a handshake.
    endAll: () => sockets.forEach((socket) => socket.destroy()),
    yieldOne(newcomer) {
      const [oldest] = greeting.values();
      if (oldest === undefined || oldest === newcomer) unused.first()?.destroy();
      else oldest.destroy();
    },
  };
}

/**
 * `maxHeaderListSize` binds a client only once it has acknowledged it: one that never does may send some 140 KiB. What is
 * counted is what that setting counts: names, values, and 32 bytes for each pair (RFC 9113, 6.5.2).
 */
function refuseLargeHeads(handler: RequestListener, headBytesMax: number): RequestListener {
  return (request, response) => {
    // Of HTTP/1.1 Node counts the bytes itself.
    if (request.httpVersionMajor === 1) return handler(request, response);
    const { rawHeaders } = request;
    const bytes = rawHeaders.reduce((sum, text) => sum + text.length, 16 * rawHeaders.length);
    if (bytes <= headBytesMax) handler(request, response);
    else response.writeHead(431).end();
  };
}

function otherEnd({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

interface Closable {
  once(event: 'close', listener: () => void): unknown;
}

/** Those that have not closed yet. */
function membersOf<Member extends Closable>() {
  const members = new Set<Member>();
  return {
    first(): Member | undefined {
      const [oldest] = members;
      return oldest;
    },
    delete(member: Member): void {
      members.delete(member);
    },
    add(member: Member): void {
      members.add(member);
      member.once('close', () => void members.delete(member));
    },
    forEach(act: (member: Member) => void): void {
      for (const member of members) act(member);
    },
  };
}
