import type { Channel } from './channel.js';
import { HubError } from './errors.js';
import { createChannelFeed, createMergedFeed } from './feed.js';
import type { Feed } from './feed.js';
import { bareForm, envelopeForm } from './form.js';
import type { StreamForm } from './form.js';
import { createSilentChannelFeed, createSilentMergedFeed } from './silent-feed.js';

/** The feeds that are followed: one for all subscribers of the same channels in the same form. */
export class FeedRegistry {
  readonly #formatCursor: (offset: number) => string;
  readonly #feeds = new Map<string, Feed>();
  readonly #keys = new Map<Feed, string>();

  constructor(formatCursor: (offset: number) => string) {
    this.#formatCursor = formatCursor;
  }

  /** The feed; `release` it when its last subscriber has gone, or where it gets none. */
  open(channels: readonly Channel[], form: StreamForm): Feed {
    const sorted = channels.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const key = JSON.stringify([form.isEnvelope, form.hasControlEvents, ...sorted.map(({ name }) => name)]);
    const found = this.#feeds.get(key);
    // A name may be of a new channel, while subscribers of the one that ended are still there.
    if (found?.channels.every((channel, at) => channel === sorted[at]) === true) return found;
    const feed = this.#create(sorted, form);
    this.#feeds.set(key, feed);
    this.#keys.set(feed, key);
    for (const channel of feed.channels) channel.addFeed(feed);
    return feed;
  }

  release(feed: Feed): void {
    const key = this.#keys.get(feed);
    if (key === undefined || feed.subscribers.size > 0) return;
    this.#keys.delete(feed);
    if (this.#feeds.get(key) === feed) this.#feeds.delete(key);
    for (const channel of feed.channels) channel.removeFeed(feed);
  }

  #create(channels: readonly Channel[], { isEnvelope, hasControlEvents }: StreamForm): Feed {
    const [only, another] = channels;
    if (only === undefined) throw new HubError('missing-channel', 'Cannot subscribe: no channel is named');
    const formatCursor = this.#formatCursor;
    if (another === undefined && !isEnvelope) {
      return hasControlEvents ? createChannelFeed(only) : createSilentChannelFeed(only, formatCursor);
    }
    const create = hasControlEvents ? createMergedFeed : createSilentMergedFeed;
    return create({ channels, form: isEnvelope ? envelopeForm : bareForm, formatCursor });
  }
}
