import type { CTools } from './c-tools.js';
import type { ServerName } from './servers.js';

/** What one run of one load on one server gave; a figure's unit ends its name. */
export type Figures = Readonly<Record<string, number>>;

export interface Load {
  readonly name: string;
  readonly servers: readonly ServerName[];
  /** The figure that servers are compared by. */
  readonly compared: string;
  /** Whether more of that figure is better. */
  readonly isMoreBetter: boolean;
  readonly measure: (server: ServerName, options: MeasureOptions) => Promise<Figures>;
}

export interface MeasureOptions {
  readonly seconds: number;
  /** Makes the load where the server speaks plain HTTP/1.1, in place of our own programs. */
  readonly tools: CTools | undefined;
}

/** A publisher goes on until those who look are done, but no longer than this. */
export const PUBLISHING_SECONDS_MAX = 120;
