import { once } from 'node:events';
import { request } from 'node:http';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { createEventParser, isControlType } from '../../src/protocol/index.js';
import type { ParsedEvent } from '../../src/protocol/index.js';
import type { ReceivedItem } from './checker.js';

interface StreamOptions {
  readonly headers?: Readonly<Record<string, string>>;
}

/** One subscription as a test sees it: everything that came, and waits for what shall come. */
export class StreamClient implements AsyncDisposable {
  readonly events: ParsedEvent[] = [];
  readonly comments: string[] = [];
  readonly retries: number[] = [];
  raw = '';
  isEnded = false;
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;
  readonly #countReads: () => number;
  readonly #waiting = new Set<() => void>();
  #lastEventId = '';

  private constructor(clientRequest: ClientRequest, response: IncomingMessage, countReads: () => number) {
    this.#request = clientRequest;
    this.#response = response;
    this.#countReads = countReads;
    const parser = createEventParser({
      onEvent: (event) => this.events.push(event),
      onComment: (comment) => this.comments.push(comment),
      onRetry: (retryMs) => this.retries.push(retryMs),
    });
    response.on('data', (chunk: Buffer) => {
      this.raw += chunk.toString('latin1');
      parser.push(chunk);
      this.#lastEventId = parser.lastEventId;
      this.#changed();
    });
    const end = (): void => {
      this.isEnded = true;
      this.#changed();
    };
    response.on('end', end).on('close', end).on('error', end);
  }

  /** Resolves when the response's head is there. */
  static async open(url: string, { headers = {} }: StreamOptions = {}): Promise<StreamClient> {
    // As a browser does: UTF-8 on the wire.
    const encoded = Object.entries(headers).map(([name, value]) => [name, Buffer.from(value).toString('latin1')]);
    const clientRequest = request(url, {
      agent: false,
      headers: { Accept: 'text/event-stream', ...Object.fromEntries(encoded) },
    });
    let reads = 0;
    clientRequest.once('socket', (socket: Socket) => void socket.on('data', () => (reads += 1)));
    clientRequest.end();
    const [response] = (await once(clientRequest, 'response')) as [IncomingMessage];
    clientRequest.on('error', () => undefined);
    return new StreamClient(clientRequest, response, () => reads);
  }

  /** How often bytes came on the connection, the head's included: no more than the hub's writes. */
  get reads(): number {
    return this.#countReads();
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  get headers(): IncomingHttpHeaders {
    return this.#response.headers;
  }

  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** Events that are no control events. */
  get data(): readonly string[] {
    return this.events.filter(({ type }) => !isControlType(type)).map(({ data }) => data);
  }

  get types(): readonly string[] {
    return this.events.map(({ type }) => type);
  }

  /** For the checker: data is the key. */
  received(channel: string): readonly ReceivedItem[] {
    return this.events.flatMap((event): readonly ReceivedItem[] => {
      if (event.type === 'tidegate.gap') return [{ kind: 'gap', channel: String(JSON.parse(event.data).channel) }];
      return isControlType(event.type) ? [] : [{ kind: 'event', channel, key: event.data }];
    });
  }

  /** Resolves when `isTrue`; fails if the stream ends, or this time passes, before. */
  async until(isTrue: (client: StreamClient) => boolean, timeoutMs = 10_000): Promise<this> {
    let isLate = false;
    const deadline = setTimeout(() => {
      isLate = true;
      this.#changed();
    }, timeoutMs);
    try {
      while (!isTrue(this)) {
        if (isLate) throw new Error(`Waited in vain; so far:\n${this.#recent()}`);
        if (this.isEnded) throw new Error(`The stream ended first; so far:\n${this.#recent()}`);
        await new Promise<void>((resolve) => void this.#waiting.add(resolve));
      }
      return this;
    } finally {
      clearTimeout(deadline);
    }
  }

  event(type: string): Promise<this> {
    return this.until(() => this.types.includes(type));
  }

  async ended(): Promise<this> {
    await this.until(() => this.isEnded).catch((error: unknown) => {
      if (!this.isEnded) throw error;
    });
    return this;
  }

  /** Reads no more, so that the hub's writes pile up. */
  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  /** Cuts the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#request.destroy();
    await this.ended();
  }

  #recent(): string {
    return this.events
      .slice(-10)
      .map(({ type, data, lastEventId }) => `${lastEventId} ${type} ${data.slice(0, 60)}`)
      .join('\n');
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
