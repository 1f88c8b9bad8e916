import { once } from 'node:events';
import { connect } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';

import { createEventParser, isControlType } from '../../src/protocol/index.js';
import type { ParsedEvent } from '../../src/protocol/index.js';

type Head = IncomingHttpHeaders & IncomingHttpStatusHeader;

interface Http2Answer {
  readonly status: number | undefined;
  readonly headers: Head;
  readonly text: string;
}

/** One HTTP/2 connection to a hub, for as many streams as a test likes. */
export class Http2Client implements AsyncDisposable {
  readonly session: ClientHttp2Session;

  constructor(url: string, ca: string) {
    this.session = connect(url, { ca });
    this.session.on('error', () => undefined);
  }

  async subscribe(target: string, headers: Readonly<Record<string, string>> = {}): Promise<Http2Stream> {
    const stream = this.session.request({
      ':path': `/subscribe${target.startsWith('?') ? '' : '/'}${target}`,
      accept: 'text/event-stream',
      ...headers,
    });
    return new Http2Stream(stream, await headOf(stream));
  }

  async send(method: string, path: string, body = ''): Promise<Http2Answer> {
    const stream = this.session.request({ ':method': method, ':path': path }, { endStream: body === '' });
    if (body !== '') stream.end(body);
    return answerOf(stream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.closed && this.session.destroyed) return;
    const closed = once(this.session, 'close');
    this.session.destroy();
    await closed;
  }
}

async function headOf(stream: ClientHttp2Stream): Promise<Head> {
  stream.on('error', () => undefined);
  const [headers] = (await once(stream, 'response')) as [Head];
  return headers;
}

/** The whole answer to what `stream` asked. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const headers = await headOf(stream);
  let text = '';
  stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  if (!stream.readableEnded) await once(stream, 'end');
  return { status: headers[':status'], headers, text };
}

/** One subscription: everything that came, and waits for what shall come. */
export class Http2Stream {
  readonly events: ParsedEvent[] = [];
  readonly headers: Head;
  readonly #stream: ClientHttp2Stream;
  readonly #waiting = new Set<() => void>();
  #isClosed = false;
  #lastEventId = '';

  constructor(stream: ClientHttp2Stream, headers: Head) {
    this.headers = headers;
    this.#stream = stream;
    const parser = createEventParser({ onEvent: (event) => this.events.push(event) });
    stream.on('data', (chunk: Buffer) => {
      parser.push(chunk);
      this.#lastEventId = parser.lastEventId;
      this.#changed();
    });
    stream.on('close', () => {
      this.#isClosed = true;
      this.#changed();
    });
  }

  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** How the stream was closed: an HTTP/2 error code, 0 for a clean end. */
  get code(): number {
    return this.#stream.rstCode ?? 0;
  }

  /** Events that are no control events. */
  get data(): readonly string[] {
    return this.events.filter(({ type }) => !isControlType(type)).map(({ data }) => data);
  }

  get types(): readonly string[] {
    return this.events.map(({ type }) => type);
  }

  /** Resolves when `isTrue`; fails where the stream is closed before. */
  async until(isTrue: (stream: Http2Stream) => boolean): Promise<this> {
    while (!isTrue(this)) {
      if (this.#isClosed) throw new Error(`The stream was closed first; it had ${this.types.join(', ')}`);
      await new Promise<void>((resolve) => void this.#waiting.add(resolve));
    }
    return this;
  }

  event(type: string): Promise<this> {
    return this.until(() => this.types.includes(type));
  }

  async closed(): Promise<this> {
    if (!this.#isClosed) await this.until(() => this.#isClosed);
    return this;
  }

  /** Reads no more, so that its window closes. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(): void {
    this.#stream.close(8);
  }

  #changed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
