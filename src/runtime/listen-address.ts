/** Where a server listens: a port of an address, or a Unix socket. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string }
  | { readonly kind: 'unix'; readonly path: string };

const UNIX = 'unix:';

/** Reads `127.0.0.1`, `localhost`, `::1`, `[::1]` or `unix:/run/tidegate.sock`. */
export function readListenAddress(host: string): ListenAddress {
  if (host.startsWith(UNIX)) return { kind: 'unix', path: host.slice(UNIX.length) };
  return { kind: 'tcp', host: withoutBrackets(host) };
}

/** Whether only this machine reaches a server that listens on `host`. */
export function isLocalAddress(host: string): boolean {
  const address = readListenAddress(host);
  if (address.kind === 'unix') return true;
  return address.host === 'localhost' || address.host === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(address.host);
}

/** An IPv6 address without the brackets that it has in URLs; anything else as it is. */
export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
