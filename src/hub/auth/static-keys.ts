import { HubError } from '../errors.js';
import type { KeySet, KeySource } from './key-set.js';

/** Keys that never change: a shared secret, or what stood in a file at the start. */
export function staticKeys(set: KeySet): KeySource {
  return {
    generation: 0,
    // An async function, so that a missing key is a rejection here too.
    async find(kid) {
      const key = set.find(kid);
      if (key === undefined) throw unknownKey();
      return Promise.resolve(key);
    },
    touch() {},
    close() {},
  };
}

/** The `kid` is not quoted: it is the caller's. */
export function unknownKey(): HubError {
  return new HubError('token-unknown-key', 'Cannot use the token: no key that is trusted here signed it');
}
