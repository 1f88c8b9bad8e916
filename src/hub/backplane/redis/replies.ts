import { parseUntrustedJson } from '../../json-depth.js';

/** A script's reply: bytes, whole numbers, nothing, or a list of these. */
export type Reply = Buffer | number | null | readonly Reply[];

/** The elements of a reply; none where it is no list. */
export function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}

export function textOf(reply: Reply | undefined): string {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return typeof reply === 'number' ? String(reply) : '';
}

/** Zero where there is nothing. */
export function numberOf(reply: Reply | undefined): number {
  return typeof reply === 'number' ? reply : Number(textOf(reply));
}

export function bytesOf(reply: Reply | undefined): Buffer {
  return Buffer.isBuffer(reply) ? reply : Buffer.alloc(0);
}

/** @throws SyntaxError where the text is no JSON object. */
export function parseObject(text: string): object {
  const value = parseUntrustedJson(text);
  if (typeof value !== 'object' || value === null) throw new SyntaxError('Cannot read it: it is no JSON object');
  return value;
}
