import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';

import { startBrowser } from '../support/browser.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { Follower } from './follower.js';
import type { DriverLine } from './follower.js';

export type BrowserName = 'chromium' | 'firefox';

const PAGES = new URL('drivers/browser/', import.meta.url).pathname;
const FIREFOX = '/usr/bin/firefox-esr';

/** What a fresh profile of Firefox must not do here: ask, greet, or look for servers of its own. */
const PREFERENCES: Readonly<Record<string, boolean | string>> = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.safebrowsing.update.enabled': false,
  'browser.search.update': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

/**
 * Runs clients in the pages of a real browser. A page of ours takes commands from an event stream and starts each
 * client in a frame, which posts the lines that other drivers print: so Chromium and Firefox need no remote control.
 */
export class BrowserDrivers implements AsyncDisposable {
  readonly #modules: string;
  readonly #server: Server;
  readonly #followers = new Map<number, Follower>();
  readonly #controllers = new Map<BrowserName, ServerResponse>();
  readonly #browsers = new Map<BrowserName, Promise<() => Promise<void>>>();
  #waiting: (() => void)[] = [];
  #started = 0;

  private constructor(modules: string) {
    this.#modules = modules;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** @param modules A `node_modules` with the packages that pages load. */
  static async open(modules: string): Promise<BrowserDrivers> {
    const drivers = new BrowserDrivers(modules);
    await new Promise<void>((resolve) => void drivers.#server.listen(0, '127.0.0.1', resolve));
    return drivers;
  }

  /** The origin of the pages, for the hub's CORS. */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Starts a client in a page, and its browser before the first. */
  async follow(browser: BrowserName, client: string, url: string): Promise<Follower> {
    const page = `${this.origin}/controller?browser=${browser}`;
    if (!this.#browsers.has(browser)) {
      this.#browsers.set(browser, browser === 'firefox' ? openFirefox(page) : openChromium(page));
    }
    await this.#browsers.get(browser);
    while (!this.#controllers.has(browser)) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    this.#started += 1;
    const start = this.#started;
    const follower = new Follower(async () => {
      this.#followers.delete(start);
      this.#command(browser, { stop: start });
    });
    this.#followers.set(start, follower);
    this.#command(browser, { start, client, url });
    return follower;
  }

  #command(browser: BrowserName, command: object): void {
    this.#controllers.get(browser)?.write(`data: ${JSON.stringify(command)}\n\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin);
    const [, first = '', ...rest] = url.pathname.split('/');
    if (first === 'followers') {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      this.#followers.get(Number(rest[0]))?.take(JSON.parse(Buffer.concat(chunks).toString()) as DriverLine);
      response.end();
    } else if (first === 'commands') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      this.#controllers.set(url.searchParams.get('browser') as BrowserName, response);
      for (const wake of this.#waiting.splice(0)) wake();
    } else if (first === 'modules') {
      await serve(response, join(this.#modules, normalize(`/${rest.join('/')}`)));
    } else {
      const file = { controller: 'controller.html', frame: 'frame.html', 'driver.js': 'driver.js' }[first];
      await serve(response, join(PAGES, file ?? 'none'));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const browser of this.#browsers.values()) await (await browser)();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Modules import their parts without an extension, as bundlers allow. */
async function serve(response: ServerResponse, file: string): Promise<void> {
  const body = await readFile(file).catch(() => readFile(`${file}.js`).catch(() => undefined));
  if (body === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': file.endsWith('.html') ? 'text/html' : 'text/javascript' }).end(body);
}

async function openChromium(page: string): Promise<() => Promise<void>> {
  const browser = await startBrowser();
  await (await browser.newPage()).goto(page);
  return () => browser.close();
}

async function openFirefox(page: string): Promise<() => Promise<void>> {
  const folder = await createTemporaryFolder();
  const preferences = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  await writeFile(join(folder.path, 'user.js'), preferences.join(''));
  const child = spawn(FIREFOX, ['--headless', '--no-remote', '--profile', folder.path, page], {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, HOME: folder.path, MOZ_DISABLE_CONTENT_SANDBOX: '1' },
  });
  return async () => {
    const gone = once(child, 'exit');
    if (child.pid !== undefined && child.exitCode === null) {
      process.kill(-child.pid, 'SIGKILL');
      await gone;
    }
    await folder[Symbol.asyncDispose]();
  };
}
