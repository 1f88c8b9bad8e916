import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createHub } from 'tidegate';
import { answerTokens } from './model.mjs';

/** More than this many at once are answered 503. */
const ANSWERS_AT_ONCE_MAX = 100;

/** Serves the page, `POST /ask`, and the hub under everything else; resolves when it listens. */
export async function start({ port = 8083, host = '127.0.0.1', tokenDelayMs = 40 } = {}) {
  const hub = createHub();
  const closing = new AbortController();
  const answers = createAnswers({ hub, tokenDelayMs, signal: closing.signal });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/') servePage(response).catch((error) => response.destroy(error));
    else if (pathname === '/ask' && request.method === 'POST') ask(answers, request, response);
    else hub.handler(request, response);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host}:${server.address().port}/`,
    async close() {
      closing.abort();
      await answers.settled();
      await hub.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Runs models. An answer belongs to the hub and not to the request that asked: nobody need be there to hear it. */
function createAnswers({ hub, tokenDelayMs, signal }) {
  const running = new Set();
  let count = 0;

  async function produce(channel, tokens) {
    try {
      for (const token of tokens) {
        await hub.publish(channel, { event: 'token', data: JSON.stringify(token) });
        await sleep(tokenDelayMs, undefined, { signal });
      }
    } catch (error) {
      // Whatever went wrong, the readers are told that no more will come.
      if (!signal.aborted) await hub.publish(channel, { event: 'failed', data: JSON.stringify(String(error.message)) });
    } finally {
      await hub.end(channel);
    }
  }

  return {
    /** Starts an answer and returns its channel; undefined where too many run. */
    begin() {
      if (running.size >= ANSWERS_AT_ONCE_MAX) return undefined;
      const channel = `answer-${randomUUID()}`;
      const number = count;
      count += 1;
      const answer = answerTokens(number)
        .then((tokens) => produce(channel, tokens))
        .catch((error) => console.error(`Cannot answer on ${channel}:`, error))
        .finally(() => running.delete(answer));
      running.add(answer);
      return channel;
    },
    settled: () => Promise.all(running),
  };
}

function ask(answers, request, response) {
  // The model here does not read the question; a real one would.
  request.resume();
  const channel = answers.begin();
  const body = channel === undefined ? { error: 'Too many answers are running' } : { channel };
  response.writeHead(channel === undefined ? 503 : 202, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function servePage(response) {
  const page = await readFile(new URL('index.html', import.meta.url));
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await start({ port: Number(process.argv[2] ?? 8083) });
  console.log(`Open ${url}, ask something, and reload the page while the answer runs.`);
}
