// Publishes at a fixed rate over one connection, pipelined, without waiting for answers, so that a slow
// server cannot slow the load down:
//   tsx bench/publisher.ts '{"url": "...", "eventsPerSecond": 100, "seconds": 9, "eventBytes": 200}'
// Prints one line of JSON. A body is `{"t":<unix ns>,"p":"xxx…"}`.
import { unixNanoseconds } from './unix-time.js';
import { openSocket } from './wire.js';

export interface PublisherOptions {
  readonly url: string;
  /** 0 is as fast as the server answers, `window` requests at a time. */
  readonly eventsPerSecond: number;
  readonly seconds: number;
  readonly eventBytes: number;
  readonly window?: number;
}

export interface PublisherResult {
  readonly published: number;
  readonly answered: number;
  readonly eventsPerSecond: number;
}

const ANSWER = Buffer.from('HTTP/1.1 2');

async function run({
  url,
  eventsPerSecond,
  seconds,
  eventBytes,
  window = 64,
}: PublisherOptions): Promise<PublisherResult> {
  const { hostname, pathname, search } = new URL(url);
  const socket = openSocket(url);
  const head = `POST ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: ${eventBytes}\r\n\r\n`;
  let published = 0;
  let answered = 0;
  const requests = (count: number): string => {
    let text = '';
    for (let made = 0; made < count; made += 1)
      text += head + `{"t":${unixNanoseconds()},"p":"`.padEnd(eventBytes - 2, 'x') + '"}';
    published += count;
    return text;
  };
  const startedMs = performance.now();
  const isOver = (): boolean => performance.now() - startedMs >= seconds * 1000;
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf(ANSWER); at !== -1; at = chunk.indexOf(ANSWER, at + 1)) answered += 1;
      if (eventsPerSecond === 0 && !isOver() && published - answered < window / 2)
        socket.write(requests(window - (published - answered)));
      if (eventsPerSecond === 0 && isOver()) resolve();
    });
    if (eventsPerSecond === 0) {
      socket.write(requests(window));
      return;
    }
    const tick = setInterval(() => {
      const due = Math.floor(((performance.now() - startedMs) / 1000) * eventsPerSecond) - published;
      if (due > 0) socket.write(requests(due));
      if (!isOver()) return;
      clearInterval(tick);
      resolve();
    }, 1);
  });
  socket.destroy();
  return { published, answered, eventsPerSecond: answered / ((performance.now() - startedMs) / 1000) };
}

const result = await run(JSON.parse(process.argv[2] ?? '{}') as PublisherOptions);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
