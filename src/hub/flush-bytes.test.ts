import { expect, test } from 'vitest';

import { FlushBytes } from './flush-bytes.js';

test('FlushBytes makes each form once, and views of a single part none', () => {
  const parts = ['data: 1\n\n', 'data: 2\n\n'].map((text) => ({ bytes: Buffer.from(text) }));
  const flush = new FlushBytes(parts);
  expect(flush.byteCount).toBe(18);
  expect(flush.plain.toString()).toBe('data: 1\n\ndata: 2\n\n');
  expect(flush.plain).toBe(flush.plain);
  expect(flush.chunk.toString()).toBe('12\r\ndata: 1\n\ndata: 2\n\n\r\n');
  expect(flush.chunk).toBe(flush.chunk);
  const [first] = parts;
  expect(new FlushBytes(parts.slice(0, 1)).plain).toBe(first?.bytes);
});
