/** Ends a body in chunks; what has not got it was cut (RFC 9112, 7.1). */
export const LAST_CHUNK: Uint8Array = Buffer.from('0\r\n\r\n');

const LINE_END = '\r\n';

/**
 * `parts` as one chunk of an HTTP/1.1 body, in a buffer of its own. Without a byte it is empty: a chunk of no bytes would
 * end the body.
 */
export function chunkOf(parts: readonly Uint8Array[]): Uint8Array {
  const byteCount = parts.reduce((sum, { length }) => sum + length, 0);
  if (byteCount === 0) return Buffer.alloc(0);
  const head = byteCount.toString(16) + LINE_END;
  const chunk = Buffer.allocUnsafe(head.length + byteCount + LINE_END.length);
  let end = chunk.write(head, 'latin1');
  for (const part of parts) {
    chunk.set(part, end);
    end += part.length;
  }
  chunk.write(LINE_END, end, 'latin1');
  return chunk;
}
