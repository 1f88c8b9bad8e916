import { allows, NO_GRANTS } from '../../auth/grants.js';
import { isUserChannel } from '../../auth/user-channel.js';
import type { ChannelPage, ChannelSummary, ListRequest } from '../../listing.js';
import { listOf, numberOf, textOf } from './replies.js';
import type { Reply } from './replies.js';

export interface ChannelListOptions {
  /** Runs the listing script, behind the limits of history. */
  readonly run: (args: readonly (string | number)[]) => Promise<Reply>;
  readonly formatCursor: (offset: number) => string;
}

interface Names {
  readonly channels: readonly ChannelSummary[];
  /** Where the next page begins; empty on the last. */
  readonly last: string;
}

/** Over how long the script counts a channel's rate. */
const RATE_WINDOW_S = 10;

/** The channels that Redis knows of, with the subscribers of all nodes. */
export class ChannelList {
  readonly #options: ChannelListOptions;

  constructor(options: ChannelListOptions) {
    this.#options = options;
  }

  /** A page by name. */
  async list({ after, limit, isAll, visible }: ListRequest): Promise<ChannelPage> {
    const grants = { ...NO_GRANTS, subscribe: visible };
    const found: ChannelSummary[] = [];
    for (let from = after; found.length <= limit;) {
      const { channels, last } = await this.#page([from, limit + 1, isAll ? '1' : '']);
      found.push(...channels.filter(({ name }) => !isUserChannel(name) && allows(grants, 'subscribe', name)));
      if (last === '') break;
      from = last;
    }
    const page = found.slice(0, limit);
    return { channels: page, next: found.length > limit ? (page.at(-1)?.name ?? null) : null };
  }

  /** Undefined where there is none of that name. */
  async describe(name: string): Promise<ChannelSummary | undefined> {
    const { channels } = await this.#page(['', 1, '', name]);
    return channels[0];
  }

  async #page(args: readonly (string | number)[]): Promise<Names> {
    const [last, page] = listOf(await this.#options.run(args));
    return { channels: listOf(page).map((one) => this.#summaryOf(listOf(one))), last: textOf(last) };
  }

  #summaryOf([name, subscribers, events, bytes, recent, endedAt, head, oldest]: readonly Reply[]): ChannelSummary {
    return {
      name: textOf(name),
      subscribers: numberOf(subscribers),
      events: numberOf(events),
      bytes: numberOf(bytes),
      eventsPerSecond: numberOf(recent) / RATE_WINDOW_S,
      isEnded: numberOf(endedAt) > 0,
      head: numberOf(head) === 0 ? null : this.#options.formatCursor(numberOf(head)),
      oldest: textOf(oldest) === '' ? null : new Date(numberOf(oldest)).toISOString(),
    };
  }
}
