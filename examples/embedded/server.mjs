import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { createHub } from 'tidegate';

const BASE_PATH = '/events';
const BODY_CHARACTERS_MAX = 10_000;

/** A small shop with routes of its own and a hub under `/events`; resolves when it listens. */
export async function start({ port = 8082, host = '127.0.0.1' } = {}) {
  const hub = createHub({ basePath: BASE_PATH });
  const shop = createShop(hub);
  const server = createServer((request, response) => {
    if (isBelow(BASE_PATH, request.url)) hub.handler(request, response);
    else shop(request, response).catch(() => answer(response, 500, { error: 'Something went wrong' }));
  });
  // Node gives a request five minutes to arrive whole, and a publish as a stream takes as long as it takes.
  server.requestTimeout = 0;
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host}:${server.address().port}/`,
    async close() {
      // The hub first: its streams would keep the server open for ever.
      await hub.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What the application had before: it only gains one line, `hub.publish`. */
function createShop(hub) {
  const orders = [];
  return async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method === 'GET' && pathname === '/') {
      const page = await readFile(new URL('index.html', import.meta.url));
      return response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
    }
    if (request.method === 'GET' && pathname === '/orders') return answer(response, 200, orders);
    if (request.method === 'POST' && pathname === '/orders') {
      const item = (await readText(request)).trim();
      if (item === '' || item.length > BODY_CHARACTERS_MAX) return answer(response, 400, { error: 'What is ordered?' });
      const order = { number: orders.length + 1, item };
      orders.push(order);
      const { id } = await hub.publish('orders', { event: 'order.created', data: JSON.stringify(order) });
      return answer(response, 201, { ...order, eventId: id });
    }
    return answer(response, 404, { error: 'There is nothing here' });
  };
}

function isBelow(basePath, url = '/') {
  const { pathname } = new URL(url, 'http://localhost');
  return pathname === basePath || pathname.startsWith(`${basePath}/`);
}

async function readText(request) {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    // Read to the end, kept only as far as it may go.
    if (text.length <= BODY_CHARACTERS_MAX) text += chunk;
  }
  return text;
}

function answer(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await start({ port: Number(process.argv[2] ?? 8082) });
  console.log(`The shop is at ${url}, its hub's own page at ${url}events/`);
}
