import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as it came. */
export interface ReceivedWebhook {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export type ReceiverAnswer = (response: ServerResponse, received: ReceivedWebhook) => void;

/** The real thing that webhooks are sent to, which can be told to misbehave, to stop, and to come back. */
export class WebhookReceiver implements AsyncDisposable {
  readonly received: ReceivedWebhook[] = [];
  /** What it does from now on; 204 unless told otherwise. */
  answer: ReceiverAnswer;
  /** Requests at one time, at most. */
  atOnceMax = 0;
  #atOnce = 0;
  #server: Server | undefined;
  #port = 0;
  #onReceived: (() => void)[] = [];

  private constructor(answer: ReceiverAnswer) {
    this.answer = answer;
  }

  static async start(answer: ReceiverAnswer = taken): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(answer);
    await receiver.listen();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook?key=in-the-url`;
  }

  async listen(): Promise<void> {
    this.#server = createServer((request, response) => void this.#take(request, response));
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
    if (this.#server?.listening === true) await once(this.#server, 'close');
    this.#server = undefined;
  }

  /** Resolves when `count` requests have come. */
  async until(count: number): Promise<void> {
    while (this.received.length < count) await new Promise<void>((resolve) => this.#onReceived.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#atOnce += 1;
    this.atOnceMax = Math.max(this.atOnceMax, this.#atOnce);
    response.once('close', () => (this.#atOnce -= 1));
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const received = { path: request.url ?? '', headers: request.headers, text, body: JSON.parse(text) as object };
    this.received.push(received as ReceivedWebhook);
    this.answer(response, received as ReceivedWebhook);
    for (const wake of this.#onReceived.splice(0)) wake();
  }
}

export const taken: ReceiverAnswer = (response) => response.writeHead(204).end();
export const hangs: ReceiverAnswer = () => undefined;
export const fails: ReceiverAnswer = (response) => response.writeHead(500).end('it broke');
export const answers =
  (value: unknown, status = 200): ReceiverAnswer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

/** What the signature must be, computed by other means than the hub's. */
export function signatureOf({ headers, text }: ReceivedWebhook, key: Buffer): string {
  const signed = [headers['webhook-id'], headers['webhook-timestamp'], text].join('.');
  return `v1,${createHmac('sha256', key).update(Buffer.from(signed)).digest().toString('base64')}`;
}
