// Subscribers in a process of their own, for a network namespace. `vanishing <address> <ports as JSON>`: one by each way
// to a hub; `slow <address> <port> <bytes> <everyMs>`: one that reads so many bytes at a time, and counts them.
import { get as getSecure } from 'node:https';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';

const [kind, address, ...args] = process.argv.slice(2);
const HEAD = `GET /subscribe/a HTTP/1.1\r\nHost: ${address}\r\n`;

if (kind === 'slow') readSlowly(...args.map(Number));
else {
  const { plain, mapped, secure, foreign } = JSON.parse(args[0]);
  const opened = [plain, mapped, foreign].map((port) => open(port, `${HEAD}\r\n`));
  // Twice the same header is for Node's parser.
  opened.push(open(plain, `${HEAD}X-Twice: 1\r\nX-Twice: 2\r\n\r\n`), openSecure(secure), openHttp2(secure));
  await Promise.all(opened);
  process.send({ open: opened.length });
}

function open(port, head) {
  const socket = connect(port, address, () => socket.write(head));
  return untilLive(socket);
}

function openSecure(port) {
  const options = { host: address, port, path: '/subscribe/a', rejectUnauthorized: false, agent: false };
  return new Promise((resolve) => getSecure(options, (response) => void untilLive(response).then(resolve)));
}

function openHttp2(port) {
  const session = connectHttp2(`https://${address}:${port}`, { rejectUnauthorized: false });
  session.on('error', () => undefined);
  const streams = ['/subscribe/a', '/subscribe/b'].map((path) => session.request({ ':path': path }));
  return Promise.all(streams.map(untilLive));
}

function untilLive(stream) {
  stream.on('error', () => undefined);
  return new Promise((resolve) => {
    let text = '';
    stream.on('data', (bytes) => {
      text += bytes;
      if (text.includes('tidegate.live')) resolve();
    });
  });
}

function readSlowly(port, bytesAtOnce, everyMs) {
  let bytes = 0;
  const socket = connect({ port, host: address, onread: { buffer: Buffer.alloc(bytesAtOnce), callback: take } }, () =>
    socket.write(HEAD.replace('/subscribe/a', '/subscribe/large') + '\r\n'),
  );
  function take(count) {
    bytes += count;
    setTimeout(() => socket.resume(), everyMs);
    return false;
  }
  socket.on('close', () => process.send({ closed: bytes }));
  socket.on('error', () => undefined);
  process.on('message', () => process.send({ bytes }));
}
