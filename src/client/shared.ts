import type { Delivery } from './delivery.js';
import { createSubscription, follow } from './subscribe.js';
import type { SubscribeOptions } from './subscribe.js';
import { findEnvironment } from './tabs/environment.js';
import { Tab } from './tabs/tab.js';

/** Tabs of another release may speak otherwise. */
const LANGUAGE = 1;

export interface SharedSubscribeOptions extends SubscribeOptions {
  /**
   * Whose tabs share, such as the user's id, or `public`. Tabs of this origin that name the same group, hub and
   * channels get the same events, whichever of them fetched these with its token.
   */
  readonly group: string;
}

/**
 * `subscribe()` for a page that is open in several tabs: all tabs of a group share one connection. The browser's
 * locks elect the tab that holds it; when that tab closes or crashes, another goes on from its cursor. Each tab gets
 * every event once. A tab has a connection of its own for a moment where it asks for earlier events (`since`, `last`,
 * `lastEventId`) or has missed something, and leaves it where it meets the others.
 *
 * Up to 4,096 deliveries or 16 Mi characters of data wait for the loop. A tab whose loop is further behind is left
 * behind, and goes on by itself from where it was.
 *
 * Where tabs cannot share (Node, an old browser, a page by plain HTTP from another machine) it is `subscribe()`.
 * @throws as `subscribe()`.
 */
export async function* subscribeShared(options: SharedSubscribeOptions): AsyncGenerator<Delivery, void, undefined> {
  const subscription = createSubscription(options);
  const environment = findEnvironment();
  if (environment === undefined) {
    yield* follow(options, subscription);
    return;
  }
  const tab = new Tab({ name: groupName(options), options, subscription, environment });
  try {
    for (;;) {
      const delivery = await tab.inbox.next();
      if (delivery === undefined) return;
      yield delivery;
    }
  } finally {
    tab.close();
  }
}

/** The same for all tabs that may share. */
function groupName({ url, channels, group }: SharedSubscribeOptions): string {
  const names = channels === 'own' ? channels : channels.toSorted();
  return `tidegate ${JSON.stringify([LANGUAGE, url, names, group])}`;
}
