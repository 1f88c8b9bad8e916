import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as it came. */
export interface ReceivedBatch {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly lines: readonly string[];
}

/** Answers one request; false: it did not, and the batch is taken with 204. */
export type BatchAnswer = (response: ServerResponse, batch: ReceivedBatch) => boolean;

/** Takes batches as a careful receiver does: what it has under a `webhook-id` it does not take again. */
export class BatchReceiver implements AsyncDisposable {
  readonly received: ReceivedBatch[] = [];
  /** The lines of what was taken, in order, no batch twice. */
  readonly lines: string[] = [];
  /** What happens to the next requests, instead of being taken. */
  readonly faults: BatchAnswer[] = [];
  readonly #ids = new Set<string>();
  readonly #server = createServer((request, response) => void this.#take(request, response));
  #wakes: (() => void)[] = [];

  static async start(): Promise<BatchReceiver> {
    const receiver = new BatchReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/batches?key=in-the-url`;
  }

  /** Resolves when `isThere`; it is looked at after every request. */
  async until(isThere: () => boolean): Promise<void> {
    while (!isThere()) await new Promise<void>((resolve) => this.#wakes.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const lines = text.split('\n').slice(0, -1);
    const batch = { path: request.url ?? '', headers: request.headers, text, lines };
    this.received.push(batch);
    if (this.faults.shift()?.(response, batch) !== true) {
      this.take(batch);
      response.writeHead(204).end();
    }
    for (const wake of this.#wakes.splice(0)) wake();
  }

  /** Takes `batch`, unless it has it. */
  take(batch: ReceivedBatch): void {
    const id = String(batch.headers['webhook-id']);
    if (!this.#ids.has(id)) this.lines.push(...batch.lines);
    this.#ids.add(id);
  }
}

export function answer(status: number, headers: Readonly<Record<string, string>> = {}): BatchAnswer {
  return (response) => {
    response.writeHead(status, headers).end('no');
    return true;
  };
}

/** The connection breaks before anything was taken. */
export const tear: BatchAnswer = (response) => {
  response.destroy();
  return true;
};

/** It is never answered. */
export const hang: BatchAnswer = () => true;

/** The signature that a request must have, by other means than the sink's. */
export function signatureOf({ headers, text }: ReceivedBatch, key: Buffer): string {
  const signed = [headers['webhook-id'], headers['webhook-timestamp'], text].join('.');
  return `v1,${createHmac('sha256', key).update(Buffer.from(signed)).digest().toString('base64')}`;
}
