import { ProtocolError, quote } from './errors.js';

/** Bytes of UTF-8 that a channel name may take. */
const CHANNEL_NAME_BYTES_MAX = 200;

const GRAMMAR = /^[\p{L}\p{M}\p{N}._~:@!$&'()+,;=-]+$/u;
const encoder = new TextEncoder();

/**
 * Returns `name` where it follows the grammar (PROTOCOL.md, 2): letters and digits of any script, in
 * NFC, and `._~:@!$&'()+,;=-`, 200 bytes at most; not `.` or `..`, which proxies take for a path.
 * @throws ProtocolError `invalid-channel`.
 */
export function checkChannelName(name: string): string {
  const fault = channelNameFault(name);
  if (fault !== undefined) throw new ProtocolError('invalid-channel', `Cannot use channel ${quote(name)}: ${fault}`);
  return name;
}

function channelNameFault(name: string): string | undefined {
  if (name === '') return 'it is empty';
  // First of all: to put a long run of marks in order takes time that grows with its square.
  if (encoder.encode(name).length > CHANNEL_NAME_BYTES_MAX) return `it takes more than ${CHANNEL_NAME_BYTES_MAX} bytes`;
  if (name === '.' || name === '..') return 'it is a path segment';
  if (!GRAMMAR.test(name)) return "only letters, digits and ._~:@!$&'()+,;=- are allowed";
  if (name.normalize('NFC') !== name) return 'it is not in Unicode normal form C';
  return undefined;
}
