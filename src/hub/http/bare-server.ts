import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import { readBareHead } from './bare-request.js';
import type { BareListener } from './bare-listener.js';
import { gateRequests } from './request-gate.js';

/** Sockets that the server itself cannot close. */
export interface BareSockets {
  readonly held: ReadonlySet<Socket>;
  /** Of these, the ones on which nothing came yet, the oldest first. */
  readonly silent: ReadonlySet<Socket>;
}

/**
 * Stands before Node's HTTP parser: a connection whose first bytes are one plain request that `listener` takes never
 * gets one. Every other connection goes on as if nobody had looked.
 */
export function takeBareRequests(server: Server, listener: BareListener, firstBytesMs: number): BareSockets {
  const held = new Set<Socket>();
  const silent = new Set<Socket>();
  const handOver = server.listeners('connection');
  server.removeAllListeners('connection');
  const forget = function forget(this: Socket): void {
    held.delete(this);
    silent.delete(this);
  };
  server.on('connection', (socket: Socket) => {
    held.add(socket);
    silent.add(socket);
    socket.once('close', forget);
    socket.on('error', ignore);
    // Else who sends nothing would be held for ever: Node's own clock starts with its parser.
    socket.setTimeout(firstBytesMs, destroy);
    socket.once('data', (bytes: Buffer) => {
      socket.setTimeout(0, destroy);
      silent.delete(socket);
      const head = readBareHead(bytes);
      if (head !== undefined && listener(head, socket)) return hold(socket);
      held.delete(socket);
      socket.off('close', forget);
      socket.off('error', ignore);
      // Put back before anyone else listens, so that the parser sees every byte, in order.
      socket.pause();
      socket.unshift(bytes);
      for (const take of handOver) take.call(server, socket);
      gateRequests(socket, true);
      socket.resume();
    });
  });
  return { held, silent };
}

/** What a subscriber still sends is nothing to anybody; that it hangs up is. */
function hold(socket: Socket): void {
  socket.on('data', ignore);
  socket.once('end', destroy);
}

function ignore(): void {
  // On purpose.
}

function destroy(this: Socket): void {
  this.destroy();
}
