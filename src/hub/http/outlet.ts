import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { Writable } from 'node:stream';

import { chunkOf } from '../chunk.js';
import type { PeerSocket } from '../sockets/peer-socket.js';
import type { Outlet } from '../subscriber.js';

/**
 * The way to a subscriber once the response's head is out. On HTTP/1.1 a flush goes to every socket as the same chunk,
 * past the response's own bookkeeping, and the response adds the last chunk at its end. HTTP/1.0 knows no chunks: there
 * the body ends with the connection. On HTTP/2 its stream takes the bytes; where there is neither to see, the response
 * does, and frames them itself.
 */
export function createOutlet(response: ServerResponse): Outlet {
  const http2Stream = http2StreamOf(response);
  const socket = socketOf(response);
  const stream: Writable = http2Stream ?? socket ?? response;
  const isChunked = socket !== undefined && response.chunkedEncoding;
  return {
    write: (bytes) => stream.write(isChunked ? chunkOf([bytes]) : bytes),
    flush: (flush) => stream.write(isChunked ? flush.chunk : flush.plain),
    get pendingBytes() {
      return stream.writableLength;
    },
    get socket() {
      return http2Stream === undefined ? (response.socket ?? undefined) : connectionOf(http2Stream);
    },
    onDrain: (resume) => void stream.once('drain', resume),
    end: () => void response.end(),
    // Destroying an HTTP/2 stream would look to its client like an end.
    destroy: () => void (http2Stream ? http2Stream.close(constants.NGHTTP2_CANCEL) : response.destroy()),
    destroyConnection: () => void (http2Stream?.session ?? response).destroy(),
  };
}

/** The connection that an HTTP/2 stream shares with others. */
function connectionOf({ session }: ServerHttp2Stream): PeerSocket | undefined {
  return session === undefined || session.destroyed ? undefined : session.socket;
}

/** The stream behind either half of an HTTP/2 exchange, while there is one; its connection is shared with others. */
export function http2StreamOf(half: IncomingMessage | ServerResponse): ServerHttp2Stream | undefined {
  const { httpVersionMajor } = 'req' in half ? half.req : half;
  if (httpVersionMajor !== 2) return undefined;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both are Node's HTTP/2 halves behind the HTTP/1.1 types
  return (half as unknown as { readonly stream?: ServerHttp2Stream }).stream;
}

/** Whether there is nobody left to answer. An HTTP/2 response does not say `destroyed`. */
export function isGone(response: ServerResponse): boolean {
  if (response.req.httpVersionMajor === 1) return response.destroyed;
  return http2StreamOf(response)?.destroyed ?? true;
}

/** The socket behind an HTTP/1 response, once its head is out. */
function socketOf({ req, socket, headersSent }: ServerResponse): Writable | undefined {
  return req.httpVersionMajor === 1 && socket !== null && headersSent ? socket : undefined;
}
