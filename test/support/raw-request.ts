import { connect } from 'node:net';

interface RawRequest {
  readonly method: string;
  /** As it is, nothing resolved or encoded. */
  readonly target: string;
  /** Whole lines; `Host` is `hub` unless one of them is a `Host`. */
  readonly headers?: readonly string[];
  readonly body?: string;
}

export interface RawAnswer {
  readonly status: number;
  /** Everything that came, head included, until the first empty line and what arrived with it. */
  readonly text: string;
  /** Of a problem; empty without one. */
  readonly code: string;
}

/** Sends one request on a connection of its own, byte by byte as it is written here; the answer's head is enough. */
export function askRaw(port: number, { method, target, headers = [], body = '' }: RawRequest): Promise<RawAnswer> {
  const host = headers.some((line) => /^host:/i.test(line)) ? [] : ['Host: hub'];
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const head = [`${method} ${target} HTTP/1.1`, ...host, ...headers, ...length].join('\r\n');
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '';
    const finish = (): void => {
      socket.destroy();
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
      resolve({ status, text, code: /"code":"([^"]+)"/.exec(text)?.[1] ?? '' });
    };
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (isWhole(text, method)) finish();
    });
    socket.on('close', finish);
    socket.on('error', reject);
    socket.write(`${head}\r\n\r\n${body}`, 'latin1');
  });
}

/** Of a stream, its head is the whole; of anything else, what its length says. */
function isWhole(text: string, method: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1];
  if (length === undefined || method === 'HEAD')
    return !/transfer-encoding/i.test(text.slice(0, end)) || text.length > end + 4;
  return text.length >= end + 4 + Number(length);
}
