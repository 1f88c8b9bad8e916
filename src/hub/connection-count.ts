import type { Connection } from './backplane/backplane.js';
import { HubError } from './errors.js';
import type { HubLimits } from './limits.js';

/** How many connections there are, in all and from each address. */
export class ConnectionCount {
  readonly #limits: Pick<HubLimits, 'connections' | 'connectionsPerAddress'>;
  /** Kept only where addresses are limited. */
  readonly #perAddress = new Map<string, number>();
  #total = 0;

  constructor(limits: Pick<HubLimits, 'connections' | 'connectionsPerAddress'>) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  /** @throws HubError `too-many-connections`, `too-many-connections-from-address`; nothing is counted then. */
  add({ address }: Connection): void {
    const { connections, connectionsPerAddress } = this.#limits;
    if (this.#total >= connections) {
      throw new HubError('too-many-connections', `Cannot subscribe: the hub holds ${this.#total} connections`);
    }
    if (connectionsPerAddress > 0) {
      const held = this.#perAddress.get(address) ?? 0;
      if (held >= connectionsPerAddress) {
        const message = `Cannot subscribe: the hub holds ${held} connections from this address`;
        throw new HubError('too-many-connections-from-address', message);
      }
      this.#perAddress.set(address, held + 1);
    }
    this.#total += 1;
  }

  delete({ address }: Connection): void {
    this.#total -= 1;
    const held = this.#perAddress.get(address);
    if (held === undefined) return;
    if (held === 1) this.#perAddress.delete(address);
    else this.#perAddress.set(address, held - 1);
  }
}
