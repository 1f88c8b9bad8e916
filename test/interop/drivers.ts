import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { hasBrowser } from '../support/browser.js';
import { BrowserDrivers } from './browser-drivers.js';
import type { InteropClient, Runtime } from './clients.js';
import { startFollower } from './follower.js';
import type { Follower } from './follower.js';

/** Written by `scripts/interop-drivers.mjs`: the command of each driver that could be built here. */
const COMMANDS = 'node_modules/.cache/interop/drivers.json';

const commands = (existsSync(COMMANDS) ? JSON.parse(readFileSync(COMMANDS, 'utf8')) : {}) as Partial<
  Readonly<Record<Runtime, readonly string[]>>
>;

/** Whether clients of this kind can be started here; tests of the others are skipped by name. */
export function isHere(runtime: Runtime): boolean {
  // Pages load their clients from what the Node driver installed.
  if (runtime === 'chromium') return hasBrowser && commands.node !== undefined;
  if (runtime === 'firefox') return existsSync('/usr/bin/firefox-esr') && commands.node !== undefined;
  return commands[runtime] !== undefined;
}

/** Starts clients, in programs or in pages. */
export class Drivers implements AsyncDisposable {
  readonly #browsers: BrowserDrivers;

  private constructor(browsers: BrowserDrivers) {
    this.#browsers = browsers;
  }

  static async open(): Promise<Drivers> {
    const folder = dirname(commands.node?.[1] ?? '');
    return new Drivers(await BrowserDrivers.open(join(folder, 'node_modules')));
  }

  get origin(): string {
    return this.#browsers.origin;
  }

  readonly follow = async (client: InteropClient, url: string): Promise<Follower> => {
    const { runtime, name } = client;
    if (runtime === 'chromium' || runtime === 'firefox') return this.#browsers.follow(runtime, name, url);
    return startFollower([...(commands[runtime] ?? []), ...(runtime === 'curl' ? [] : [name])], url);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browsers[Symbol.asyncDispose]();
  }
}
