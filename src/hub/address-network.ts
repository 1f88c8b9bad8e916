import { isIPv6 } from 'node:net';

/** Groups of an IPv6 address that name its network: providers give each client at least a /64 (RFC 6177). */
const NETWORK_GROUPS = 4;

/** Addresses of IPv4 hosts as a translator writes them (RFC 6052): one /64 holds all of them. */
const TRANSLATED = /^64:ff9b:/i;

/** What limits count for `address`: the /64 of an IPv6 address, because one client can use all addresses in it. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || TRANSLATED.test(address)) return address;
  const [whole = ''] = address.split('%');
  const [head = '', tail] = whole.replace(/[\d.]*\.[\d.]*$/, '0:0').split('::');
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')];
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  return `${[...before, ...zeros, ...after].slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

/** Without leading zeros, so that each network has one spelling. */
function groupsOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16).toString(16));
}
