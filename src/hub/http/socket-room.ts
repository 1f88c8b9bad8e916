import type { Server, Socket } from 'node:net';

/** Sockets that are kept free: a new connection may end a silent one before there is no room at all. */
const SPARE_SOCKETS = 8;

/**
 * Keeps a server below the sockets that its process may have. Near that each new connection ends one that has asked for
 * nothing yet: else connections that say nothing would keep out everyone. Beyond it new ones are closed at once.
 * @param yieldOne Ends such a connection other than `newcomer`, if there is one.
 */
export function boundSockets(server: Server, socketsMax: number, yieldOne: (newcomer: Socket) => void): void {
  let open = 0;
  const forget = (): void => void (open -= 1);
  server.maxConnections = socketsMax;
  server.on('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', forget);
    if (open > socketsMax - SPARE_SOCKETS) yieldOne(socket);
  });
}
