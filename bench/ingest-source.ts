// An SSE endpoint that gives numbered events as fast as they are read, in a process of its own:
//   tsx bench/ingest-source.ts '{"eventBytes": 400}'
// Prints its address, one line.
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface IngestSourceOptions {
  /** Size of an event's data. */
  readonly eventBytes: number;
}

const EVENTS_PER_WRITE = 200;
const DIGITS = 12;

/** Some events, whose numbers are written anew each time. */
class Numbered {
  readonly #template: string;
  readonly #parts: readonly string[];

  constructor(eventBytes: number) {
    const empty = JSON.stringify({ n: '0'.repeat(DIGITS), key: 'key-00', text: '' }).length;
    this.#template = 'tide gate '.repeat(Math.ceil(eventBytes / 10)).slice(0, Math.max(0, eventBytes - empty));
    this.#parts = ['id: ', '\ndata: {"n":"', '","key":"key-', `","text":"${this.#template}"}\n\n`];
  }

  after(last: number): string {
    const [id, n, key, text] = this.#parts;
    let chunk = '';
    for (let number = last + 1; number <= last + EVENTS_PER_WRITE; number += 1) {
      const digits = String(number).padStart(DIGITS, '0');
      chunk += `${id}${digits}${n}${digits}${key}${digits.slice(-2)}${text}`;
    }
    return chunk;
  }
}

function pour(response: ServerResponse, numbered: Numbered, from: number): void {
  let last = from;
  const go = (): void => {
    do {
      const chunk = numbered.after(last);
      last += EVENTS_PER_WRITE;
      if (!response.write(chunk, 'latin1')) {
        response.once('drain', go);
        return;
      }
    } while (!response.destroyed);
  };
  go();
}

const { eventBytes } = JSON.parse(process.argv[2] ?? '{}') as IngestSourceOptions;
const numbered = new Numbered(eventBytes);
const server = createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  pour(response, numbered, Number(request.headers['last-event-id'] ?? 0));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`));
