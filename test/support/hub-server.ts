import { join } from 'node:path';

import { createHub, createRedisHub, createWorkerHub, listen, startPrimary } from '../../src/hub/index.js';
import type { Hub, HubOptions, ListenOptions } from '../../src/hub/index.js';
import { readMetrics } from './hub-metrics.js';
import { StreamClient } from './stream-client.js';
import { createTemporaryFolder } from './temporary-folder.js';

/** The same tests on a hub whose history another process keeps: `TIDEGATE_TEST_WORKERS=1`. */
const isOnWorkers = process.env['TIDEGATE_TEST_WORKERS'] === '1';

/** The same tests on a hub whose history is in the Redis at this URL. */
const redisUrl = process.env['TIDEGATE_TEST_REDIS'];

function createHubFor(options: HubOptions): Hub | Promise<Hub> {
  if (isOnWorkers) return createHubOnPrimary(options);
  if (redisUrl !== undefined)
    return createRedisHub({ ...options, redis: { url: redisUrl, prefix: crypto.randomUUID() } });
  return createHub(options);
}

async function createHubOnPrimary(options: HubOptions): Promise<Hub> {
  const folder = await createTemporaryFolder();
  const primaryPath = join(folder.path, 'primary.sock');
  const primary = await startPrimary(options, primaryPath);
  const hub = await createWorkerHub({ ...options, primaryPath, workers: 1, onPrimaryLost: () => undefined });
  const close = async (): Promise<void> => {
    await hub.close();
    await primary[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
  return { ...hub, close, [Symbol.asyncDispose]: close };
}

/** A hub on a port of its own, and short ways to talk to it over real sockets. */
export class HubServer implements AsyncDisposable {
  readonly hub: Hub;
  readonly url: string;
  readonly #close: () => Promise<void>;

  private constructor(hub: Hub, url: string, close: () => Promise<void>) {
    this.hub = hub;
    this.url = url;
    this.#close = close;
  }

  static async start(options: HubOptions & Pick<ListenOptions, 'port' | 'tls'> = {}): Promise<HubServer> {
    const { port = 0, tls, ...hubOptions } = options;
    return HubServer.serve(await createHubFor(hubOptions), { port, ...(tls === undefined ? {} : { tls }) });
  }

  static async serve(hub: Hub, options: ListenOptions = { port: 0 }): Promise<HubServer> {
    const server = await listen(hub, options);
    return new HubServer(hub, server.url, () => server.close());
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  subscribe(target: string, headers: Readonly<Record<string, string>> = {}): Promise<StreamClient> {
    return StreamClient.open(`${this.url}/subscribe${target.startsWith('?') ? '' : '/'}${target}`, { headers });
  }

  /** Publishes plain text; `target` may have a query. */
  async publish(
    target: string,
    body: string,
    headers: Readonly<Record<string, string>> = { 'Content-Type': 'text/plain' },
  ): Promise<Answer> {
    const response = await fetch(`${this.url}/publish${target === '' ? '' : '/'}${target}`, {
      method: 'POST',
      body,
      headers,
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Record<string, unknown>,
    };
  }

  publishJson(target: string, body: unknown): Promise<Answer> {
    return this.publish(target, JSON.stringify(body), { 'Content-Type': 'application/json' });
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, { headers, redirect: 'manual' });
    const text = await response.text();
    const body = (response.headers.get('content-type') ?? '').includes('json') ? JSON.parse(text) : { text };
    return { status: response.status, headers: response.headers, body };
  }

  metrics(): Promise<string> {
    return readMetrics(this.hub);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub.close();
    await this.#close();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}
