// A hub in a process of its own, for a network namespace: `namespaced-hub.mjs <address> <options> <certificate>`.
import { createServer } from 'node:http';

import { createHub, listen } from '../../dist/hub/index.js';

const [address, options, tls] = process.argv.slice(2);
const hub = createHub(JSON.parse(options));
const plain = await listen(hub, { host: address, port: 0 });
// Sockets of IPv6, on which IPv4 is mapped.
const mapped = await listen(hub, { host: '::', port: 0 });
const secure = await listen(hub, { host: address, port: 0, tls: JSON.parse(tls) });
const foreign = createServer(hub.handler).listen(0, address);
await new Promise((resolve) => foreign.once('listening', resolve));

async function tellMetrics() {
  const answer = await fetch(`${plain.url}/metrics`);
  process.send({ metrics: await answer.text() });
}

process.on('message', (message) => {
  if (message === 'metrics') void tellMetrics();
  else void hub.publish('large', { data: 'x'.repeat(Number(message)) });
});
process.on('disconnect', () => process.exit());
process.send({
  ports: { plain: plain.port, mapped: mapped.port, secure: secure.port, foreign: foreign.address().port },
});
