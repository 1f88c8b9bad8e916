import type { Revocation, RevocationTarget } from '../../auth/revocations.js';
import { parseObject } from './replies.js';

/** Times (8 each), then the target as JSON with its fields in one order, so that it is a key. */
const HEAD_BYTES = 16;

export function encodeTarget(target: RevocationTarget): string {
  return JSON.stringify(target, ['application', 'tokenId', 'user']);
}

/** @throws RangeError, SyntaxError where no node wrote it. */
export function decodeRevocation(bytes: Buffer): Revocation {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a node of the same program wrote it
  const target = parseObject(bytes.toString('utf8', HEAD_BYTES)) as RevocationTarget;
  return { target, issuedBeforeMs: bytes.readDoubleLE(0), expiresAtMs: bytes.readDoubleLE(8) };
}

/** A revocation as it is told to all nodes: behind the id of the node that tells it. @throws RangeError, SyntaxError where no node wrote it. */
export function decodeToldRevocation(bytes: Buffer): { readonly nodeId: string; readonly revocation: Revocation } {
  const idEnd = 2 + bytes.readUInt16LE(0);
  return { nodeId: bytes.toString('utf8', 2, idEnd), revocation: decodeRevocation(bytes.subarray(idEnd)) };
}
