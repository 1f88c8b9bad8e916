import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';

import { quote } from '../protocol/index.js';

/** Words for networks that are everybody's own. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** What stands for the address of a client on a Unix socket, which has none. */
const UNIX_SOCKET = 'unix';

/** Addresses of `X-Forwarded-For` that are looked at, the nearest first: more proxies in a row there are not. */
const HOPS_MAX = 32;

/** IPv4 in the form that a socket shows which takes both. */
const MAPPED = /^::ffff:(?=\d+\.)/i;

/** Proxies whose word on where a client comes from is taken. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;
  /** A Unix socket is this machine too. */
  readonly #isUnixTrusted: boolean;

  /** Addresses, networks such as `10.0.0.0/8`, and `loopback` or `private`. @throws TypeError quoting what is none. */
  constructor(proxies: readonly string[]) {
    this.#isEmpty = proxies.length === 0;
    this.#isUnixTrusted = proxies.includes('loopback');
    for (const proxy of proxies.flatMap((text) => NAMED[text] ?? [text])) this.#add(proxy);
  }

  /**
   * Where a request comes from: `peer`, or behind trusted proxies the nearest address in `forwardedFor` that is none of
   * them. What a client writes into that header itself stands further left, and is never reached.
   */
  clientAddress(peer: string | undefined, forwardedFor: string | readonly string[] | undefined): string {
    let address = (peer ?? UNIX_SOCKET).replace(MAPPED, '');
    if (this.#isEmpty || forwardedFor === undefined || !this.#has(address)) return address;
    const hops = [forwardedFor].flat().join(',').split(',').slice(-HOPS_MAX);
    for (const hop of hops.toReversed()) {
      const next = addressOf(hop);
      // The proxy before it wrote no address: it is as near as can be known.
      if (next === undefined) return address;
      address = next;
      if (!this.#has(address)) return address;
    }
    return address;
  }

  #has(address: string): boolean {
    if (address === UNIX_SOCKET) return this.#isUnixTrusted;
    return isIP(address) !== 0 && this.#list.check(address, familyOf(address));
  }

  #add(proxy: string): void {
    const [address = '', prefix, ...more] = proxy.split('/');
    const bits = prefix === undefined || !/^\d{1,3}$/.test(prefix) ? Number.NaN : Number(prefix);
    const bitsMax = isIPv4(address) ? 32 : 128;
    if (isIP(address) === 0 || more.length > 0 || (prefix !== undefined && !(bits <= bitsMax))) {
      throw new TypeError(
        `Cannot trust proxy ${quote(proxy)}: write an address, a network such as 10.0.0.0/8, loopback or private`,
      );
    }
    if (prefix === undefined) this.#list.addAddress(address, familyOf(address));
    else this.#list.addSubnet(address, bits, familyOf(address));
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

/** The address in one part of the header: some proxies add the port, or put brackets round IPv6. */
function addressOf(hop: string): string | undefined {
  const text = hop.trim();
  const bare = (/^\[([^\]]+)\](:\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text).replace(
    MAPPED,
    '',
  );
  // One spelling for each, or limits would count them apart.
  return isIP(bare) === 0 ? undefined : new SocketAddress({ address: bare, family: familyOf(bare) }).address;
}
