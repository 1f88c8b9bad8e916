import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';

import type { Outlet } from '../subscriber.js';

/**
 * The way to a subscriber once the response's head is out. The body of an HTTP/1.1 stream has no framing: it
 * ends with the connection. So a flush goes to every socket as the same bytes, past the response's own
 * bookkeeping; on HTTP/2, and where there is no socket to see, the response takes them.
 */
export function createOutlet(response: ServerResponse): Outlet {
  const stream: Writable = isUnframed(response) ? response.socket : response;
  return {
    write: (bytes) => stream.write(bytes),
    get pendingBytes() {
      return stream.writableLength;
    },
    onDrain: (resume) => void stream.once('drain', resume),
    end: () => void response.end(),
    destroy: () => void response.destroy(),
  };
}

function isUnframed(response: ServerResponse): response is ServerResponse & { readonly socket: Writable } {
  return (
    response.req.httpVersionMajor === 1 && response.socket !== null && response.headersSent && !response.chunkedEncoding
  );
}
