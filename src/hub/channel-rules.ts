import { parsePointer } from '../base/index.js';
import type { Pointer } from '../base/index.js';
import { quote } from '../protocol/index.js';
import { matchesChannel } from './channel-pattern.js';

/**
 * What becomes of a subscriber that is too slow for its channel's history. `gap`: it is told what it lost and goes on.
 * `disconnect`: it is sent away, and comes back with its cursor. `latest`: history keeps only the newest event of each
 * key, so it gets those, and is told how many it did not get.
 */
export type SlowPolicy = 'gap' | 'disconnect' | 'latest';

/** What holds for the channels whose names fit. */
export interface ChannelRule {
  /** A name; `*` stands for any run of characters. */
  readonly match: string;
  readonly slow: SlowPolicy;
  /** For `latest`: a JSON pointer (RFC 6901) to the key in an event's data. Without it, the event type is the key. */
  readonly key?: string;
}

/** A rule, read. */
export interface ChannelPolicy {
  readonly slow: SlowPolicy;
  readonly pointer: Pointer | undefined;
}

const DEFAULT_POLICY: ChannelPolicy = { slow: 'gap', pointer: undefined };

/** Finds what holds for a channel: the first rule that fits counts. */
export class ChannelRules {
  readonly #rules: readonly (ChannelPolicy & { readonly match: string })[];

  /** @throws TypeError where a rule's key is no JSON pointer. */
  constructor(rules: readonly ChannelRule[]) {
    this.#rules = rules.map(({ match, slow, key }) => {
      const pointer = key === undefined ? undefined : parsePointer(key);
      if (key !== undefined && pointer === undefined) {
        throw new TypeError(
          `Cannot conflate ${quote(match)} by ${quote(key)}: write a JSON pointer, such as "/symbol"`,
        );
      }
      return { match, slow, pointer };
    });
  }

  of(name: string): ChannelPolicy {
    return this.#rules.find(({ match }) => matchesChannel(match, name)) ?? DEFAULT_POLICY;
  }
}

/** Every channel announces a gap. */
export const NO_RULES = new ChannelRules([]);
