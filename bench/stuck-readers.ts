// Opens SSE connections and reads nothing of them, until it is killed:
//   tsx bench/stuck-readers.ts '{"url": "...", "connections": 1000}'
import { connect } from 'node:net';

interface StuckOptions {
  readonly url: string;
  readonly connections: number;
}

const { url, connections } = JSON.parse(process.argv[2] ?? '{}') as StuckOptions;
const { hostname, port, pathname, search } = new URL(url);
for (let opened = 0; opened < connections; opened += 1) {
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => undefined);
  socket.pause().write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}\r\nAccept: text/event-stream\r\n\r\n`);
}
setInterval(() => undefined, 60_000);
