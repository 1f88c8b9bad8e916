import { Agent, createServer, request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** What happens to a request on its way to a server that would have answered it. */
export type Mishap =
  /** 503 from a proxy in front of the server, which sees nothing of it. */
  | 'refused'
  /** The connection breaks before the server sees the request. */
  | 'torn'
  /** The server does it, and the connection breaks before its answer: the client cannot know. */
  | 'answer-lost'
  /** The server never sees it, and nobody answers. */
  | 'unanswered'
  /** The server sees a part of it; see `GatewayOptions.divide`. */
  | 'in-part';

export interface Division {
  /** What the server is asked instead. */
  readonly body: Buffer;
  /** What the client is told instead of the server's answer. */
  answer(bytes: Buffer): Buffer;
}

/** A request that the server has carried out. */
export interface Passage {
  readonly method: string;
  readonly path: string;
  /** As the server got it. */
  readonly body: Buffer;
  readonly answer: Buffer;
}

export interface GatewayOptions {
  /** Asked before each request. */
  decide(): Mishap | undefined;
  /** How a request is put through in part; without it, or where it returns undefined, the whole is. */
  divide?(body: Buffer): Division | undefined;
  onPassage?(passage: Passage): void;
  /** After `onPassage`, when the client has been sent the whole answer. */
  onAnswered?(passage: Passage): void;
}

/** Stands before a server, an emulator say, that knows no failures of its own, and makes some. */
export class FaultyGateway implements AsyncDisposable {
  /** While this holds, each connection breaks at its first request. */
  isDead = false;
  /** How many requests the server has carried out. */
  passages = 0;
  /** How often each mishap was. */
  readonly mishaps = new Map<Mishap, number>();
  readonly #server: Server;
  readonly #target: URL;
  readonly #options: GatewayOptions;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(target: string, options: GatewayOptions) {
    this.#target = new URL(target);
    this.#options = options;
    this.#server = createServer((incoming, response) => {
      this.#handle(incoming, response).catch(() => response.destroy());
    });
  }

  static async start(target: string, options: GatewayOptions): Promise<FaultyGateway> {
    const gateway = new FaultyGateway(target, options);
    await new Promise<void>((resolve) => gateway.#server.listen(0, '127.0.0.1', resolve));
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    const mishap = this.isDead ? 'torn' : this.#options.decide();
    if (mishap !== undefined) this.mishaps.set(mishap, (this.mishaps.get(mishap) ?? 0) + 1);
    if (mishap === 'unanswered') return;
    if (mishap === 'torn') return void response.destroy();
    if (mishap === 'refused') return void response.writeHead(503, { 'content-type': 'text/html' }).end('<html>busy');
    const division = mishap === 'in-part' ? this.#options.divide?.(body) : undefined;
    const asked = division?.body ?? body;
    const { status, headers, bytes } = await this.#ask(incoming, asked);
    const answer = division?.answer(bytes) ?? bytes;
    const passage = { method: incoming.method ?? '', path: incoming.url ?? '', body: asked, answer };
    this.passages += 1;
    this.#options.onPassage?.(passage);
    if (mishap === 'answer-lost') return void response.destroy();
    response.on('close', () => {
      if (response.writableFinished) this.#options.onAnswered?.(passage);
    });
    const { 'transfer-encoding': _, ...kept } = headers;
    const isHead = incoming.method === 'HEAD';
    response.writeHead(status, isHead ? kept : { ...kept, 'content-length': answer.length }).end(answer);
  }

  async #ask(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    const { hostname, port } = this.#target;
    const { 'transfer-encoding': _, ...headers } = incoming.headers;
    const onward = request({
      agent: this.#agent,
      hostname,
      port,
      method: incoming.method,
      path: incoming.url,
      headers: { ...headers, 'content-length': body.length },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      onward.on('response', resolve).on('error', reject);
    });
    onward.end(body);
    const answer = await answered;
    return { status: answer.statusCode ?? 502, headers: answer.headers, bytes: await buffer(answer) };
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}
