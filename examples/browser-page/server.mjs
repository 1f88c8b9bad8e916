import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { createHub } from 'tidegate';

const PAGE = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
]);

/** Serves the page, and the hub under everything else; resolves when it listens. */
export async function start({ port = 8081, host = '127.0.0.1' } = {}) {
  const hub = createHub();
  const server = createServer((request, response) => {
    const page = PAGE.get(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (page === undefined) hub.handler(request, response);
    else servePage(page, response).catch((error) => response.destroy(error));
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host}:${server.address().port}/`,
    async close() {
      await hub.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function servePage({ file, type }, response) {
  const body = await readFile(new URL(file, import.meta.url));
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-cache' }).end(body);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await start({ port: Number(process.argv[2] ?? 8081) });
  console.log(`Open ${url} in two windows and write in one of them.`);
}
