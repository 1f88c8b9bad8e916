// The control: what one writes in an afternoon. Every event is written to every response, one by one; there is
// no history, no bound, and nobody is ever told of a loss.
import { createServer } from 'node:http';

const subscribers = new Set();

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    subscribers.add(response);
    response.on('close', () => subscribers.delete(response));
    return;
  }
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    for (const subscriber of subscribers) subscriber.write(`data: ${body}\n\n`);
    response.end('ok');
  });
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
