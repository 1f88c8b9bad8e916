import { endianness } from 'node:os';

/** A TCP connection as Node shows it; of HTTP/2, that of the session. */
export interface PeerSocket {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  /** Missing on a Unix socket. */
  readonly remotePort?: number | undefined;
  /** Bytes of the application, those that still wait included. */
  readonly bytesWritten: number;
  /** Bytes not yet handed to the system; the write under way counts whole. */
  readonly writableLength: number;
  readonly destroyed: boolean;
  /** Whether TLS adds bytes to what is written. */
  readonly encrypted?: boolean | undefined;
  /**
   * What Node keeps below. It is not documented; Node's own socket timeout tells a slow write from a stuck one by it.
   * Without it, the write under way counts as if the system had nothing of it.
   */
  readonly _handle?: { readonly bytesWritten?: number; readonly writeQueueSize?: number } | null | undefined;
}

/** Bytes that the system has taken, as the application counts them. */
export function bytesTaken({ bytesWritten, writableLength, _handle: handle }: PeerSocket): number {
  if (typeof handle?.bytesWritten === 'number' && typeof handle.writeQueueSize === 'number')
    return handle.bytesWritten - handle.writeQueueSize;
  return bytesWritten - writableLength;
}

/** The key of the socket's row in `/proc/net/tcp` or `tcp6`; undefined where it is not connected by TCP. */
export function socketKey(socket: PeerSocket): string | undefined {
  const local = endpoint(socket.localAddress, socket.localPort);
  const remote = endpoint(socket.remoteAddress, socket.remotePort);
  return local === undefined || remote === undefined ? undefined : `${local} ${remote}`;
}

function endpoint(address: string | undefined, port: number | undefined): string | undefined {
  if (address === undefined || port === undefined) return undefined;
  return `${addressDigits(address)}:${hex(port, 4)}`;
}

/** The address as the table writes it: each 32 bits as a number of this machine. */
function addressDigits(address: string): string {
  const bytes = address.includes(':') ? ipv6Bytes(address) : ipv4Bytes(address);
  const words = Array.from({ length: bytes.length / 4 }, (_, at) => bytes.slice(at * 4, at * 4 + 4));
  const ordered = endianness() === 'LE' ? words.map((word) => word.toReversed()) : words;
  return ordered.flatMap((word) => word.map((byte) => hex(byte, 2))).join('');
}

function ipv4Bytes(address: string): readonly number[] {
  return address.split('.').map(Number);
}

/** An address as Node writes it: shortened, and its last 32 bits in decimal where IPv4 is mapped. */
function ipv6Bytes(address: string): readonly number[] {
  const [withoutZone = ''] = address.split('%', 1);
  const [before = '', after] = withoutZone.split('::', 2);
  const head = groupBytes(before);
  if (after === undefined) return head;
  const tail = groupBytes(after);
  return [...head, ...Array.from({ length: 16 - head.length - tail.length }, () => 0), ...tail];
}

function groupBytes(groups: string): readonly number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return ipv4Bytes(group);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
