import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';

/** Requests of one connection that may wait for their answers; while as many do, nothing more is read from it. */
const UNANSWERED_MAX = 32;

/** Bytes that Node's parser is given at one time: it hands out every request in them before it can be stopped. */
const PARSED_BYTES_MAX = 2048;

/** Requests beyond {@link UNANSWERED_MAX} over all connections, some 8 KB each; a connection that adds one more is cut. */
const EXCESS_MAX = 8192;

type Feed = (bytes: Buffer) => void;

const gates = new WeakMap<Socket, RequestGate>();
let excess = 0;

/**
 * Bounds what the client of an HTTP/1.1 connection can have under way without waiting for answers. Node's server would
 * hand out everything at once: 9 MB of small requests take 900 MB. To be called once Node's HTTP server has the socket,
 * of a server with {@link countRequests}.
 * @param isShort Whether to leave Node's shortcut from the socket to its parser until the client does not wait for the
 * first time: without it a request costs a fifth more. A read of the shortcut is 64 KiB, and its requests come at once.
 */
export function gateRequests(socket: Socket, isShort: boolean): void {
  const gate = new RequestGate(socket);
  gates.set(socket, gate);
  if (!isShort) gate.stand();
}

/**
 * Reads no more requests from the connection on which `response` will be the last (RFC 9112, 9.6): what still comes is
 * thrown away unparsed. That the client hangs up is noticed as before.
 */
export function endRequests({ socket }: { readonly socket: Socket | null }): void {
  if (socket === null) return;
  gates.get(socket)?.close();
  readInStream(socket, ignore);
  socket.resume();
}

/**
 * Answers the requests of `server` by `handler`, and counts them for the gate of their connection. Node must hand out
 * every request for that: `requireHostHeader` is off, and a request without a Host is refused here (RFC 9112, 3.2).
 */
export function countRequests(server: Server, handler: RequestListener): void {
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (!count(request, response)) return;
    if (!isHostMissing(request)) return handler(request, response);
    response.writeHead(400, { Connection: 'close' }).end();
    endRequests({ socket });
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    if (count(request, response)) response.writeHead(417).end();
  });
}

/**
 * False for a request behind the last that its connection answers: it is not processed. (A response class of ours would
 * see every request too, but costs a tenth of what a publish costs.)
 */
function count(request: IncomingMessage, response: ServerResponse): boolean {
  const gate = request.httpVersionMajor === 1 ? gates.get(request.socket) : undefined;
  return gate?.asked(response) ?? true;
}

function isHostMissing({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion === '1.1' && headers.host === undefined;
}

/** Takes the bytes of `socket` from Node's parser: a listener for data also ends its shortcut, which goes past the stream. */
function readInStream(socket: Socket, listener: Feed): void {
  socket.removeAllListeners('data');
  socket.on('data', listener);
  // With its shortcut Node may have stopped the socket below the stream; a stream that asks for more starts it again.
  socket.push('');
}

class RequestGate {
  readonly #socket: Socket;
  /** Gives bytes to Node's parser; undefined while the shortcut is left. */
  #feed: Feed | undefined;
  /** The response made last: while no other was waiting, it is all that is known. */
  #newest: ServerResponse | undefined;
  #unanswered = 0;
  /** How many of them are beyond {@link UNANSWERED_MAX}. */
  #excess = 0;
  /** Bytes that certainly belong to the body of the newest request: no request can begin in them. */
  #bodyBytes = 0;
  /** Whether the socket is paused for the sake of this gate; Node pauses and resumes it for reasons of its own. */
  #isHeld = false;
  #isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Puts the gate between the socket and Node's parser. */
  stand(): void {
    const socket = this.#socket;
    // Only documented classes are used: Node feeds its parser so itself with any stream that is no socket.
    const [parse] = socket.listeners('data');
    if (this.#feed !== undefined || parse === undefined) return;
    this.#feed = (bytes) => void parse.call(socket, bytes);
    socket.once('close', () => this.#tellExcess());
    readInStream(socket, (bytes) => this.#take(bytes));
  }

  /** False if nothing more is answered. */
  asked(response: ServerResponse): boolean {
    const before = this.#newest;
    this.#newest = response;
    if (this.#feed === undefined && (before === undefined || before.writableFinished)) return !this.#isClosed;
    if (this.#feed === undefined && before !== undefined) {
      this.stand();
      this.#count(before);
    }
    this.#count(response);
    this.#bodyBytes = Number(response.req.headers['content-length'] ?? 0);
    if (this.#excess > 0 && excess > EXCESS_MAX) this.#socket.destroy();
    return !this.#isOver;
  }

  #count(response: ServerResponse): void {
    this.#unanswered += 1;
    this.#tellExcess();
    response.on('close', () => this.#answered());
  }

  #answered(): void {
    this.#unanswered -= 1;
    this.#tellExcess();
    if (!this.#isHeld || this.#isFull) return;
    this.#isHeld = false;
    this.#socket.resume();
  }

  /** A socket that has closed has none. */
  #tellExcess(): void {
    const now = this.#socket.closed ? 0 : Math.max(0, this.#unanswered - UNANSWERED_MAX);
    excess += now - this.#excess;
    this.#excess = now;
  }

  /** Nothing more is parsed. */
  close(): void {
    this.#isClosed = true;
  }

  #take(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0 && this.#mayRead()) {
      const length = Math.min(rest.length, Math.max(PARSED_BYTES_MAX, this.#bodyBytes));
      this.#feed?.(length === rest.length ? rest : rest.subarray(0, length));
      // The head of the request was in them too, so this may be too few.
      this.#bodyBytes = Math.max(0, this.#bodyBytes - length);
      rest = rest.subarray(length);
    }
    // Put back only while the stream is paused: else it would come again at once.
    if (rest.length > 0 && !this.#isOver) this.#socket.unshift(rest);
  }

  get #isFull(): boolean {
    return this.#unanswered >= UNANSWERED_MAX;
  }

  get #isOver(): boolean {
    return this.#isClosed || this.#socket.destroyed;
  }

  #mayRead(): boolean {
    if (this.#isOver) return false;
    const isPaused = this.#socket.isPaused();
    if (this.#isFull && !isPaused) this.#isHeld = true;
    if (!this.#isHeld) return !isPaused;
    this.#socket.pause();
    return false;
  }
}

function ignore(): void {
  // On purpose.
}
