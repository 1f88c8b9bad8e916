/** Bytes below which a shared secret can be guessed from one token (RFC 7518, 3.2). */
const SECRET_BYTES_MIN = 32;

/** Why tokens must not be signed with `secret` (HS256), without anything of it; undefined: they may. */
export function secretFault(secret: string): string | undefined {
  const bytes = Buffer.byteLength(secret);
  if (bytes >= SECRET_BYTES_MIN) return undefined;
  return `it has ${bytes} bytes, and HS256 needs ${SECRET_BYTES_MIN} (RFC 7518, 3.2)`;
}
