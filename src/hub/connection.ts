import { networkOf } from './address-network.js';

/** Who a token speaks for. */
export interface Identity {
  /** The token's `iss`. */
  readonly application: string;
  /** The token's `sub`. */
  readonly user: string;
}

/** One subscriber as the whole hub knows it. */
export interface Connection {
  /** A UUID. */
  readonly id: string;
  readonly channels: readonly string[];
  /** Where it comes from, without the port. */
  readonly address: string;
  /** When it was opened, in milliseconds since 1970. */
  readonly openedAtMs: number;
  /** Missing where nobody asked who it is. */
  readonly identity?: Identity;
  /** Which token or API key it came with, so that they can be counted: a hash or a name. */
  readonly credential?: string;
  /** The node that holds it. */
  readonly node?: string;
  /** What the client says it is; kept only with an identity, as the list shows no others. */
  readonly userAgent?: string;
}

/** Under which name a connection opens channels: its user, else its token or API key, else its address. */
export function subscriberOf({ identity, credential, address }: Connection): string {
  return identity === undefined
    ? (credential ?? networkOf(address))
    : JSON.stringify([identity.application, identity.user]);
}

/** Which connections a list shows; all of an application's users where there is no user. */
export interface ConnectionQuery {
  readonly application: string;
  readonly user?: string;
  /** Connections on a page. */
  readonly limit: number;
  /** Where the page before ended: what its `next` said. */
  readonly after?: ConnectionKey;
}

/** The place of a connection in the list: by user, then by id. */
export interface ConnectionKey {
  readonly user: string;
  readonly id: string;
}

export interface ConnectionPage {
  readonly connections: readonly Connection[];
  /** What to pass as `after` for the next page; null on the last. */
  readonly next: ConnectionKey | null;
}
