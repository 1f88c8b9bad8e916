// Clients of npm for Node.js: `node driver.mjs <client> <url>` follows the URL and writes one JSON object a line.
import { EventSource as EventSource3 } from 'eventsource-3';
import { EventSource as EventSource4 } from 'eventsource-4';

// `tell({ event, id, data })` reports an event, `tell({ state, detail })` anything else.
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const clients = {
  async 'eventsource-2'(url) {
    const { default: EventSource } = await import('eventsource-2');
    // sample eventsource-2
    const source = new EventSource(url);
    source.addEventListener('message', ({ type, lastEventId, data }) => tell({ event: type, id: lastEventId, data }));
    source.addEventListener('error', () => tell({ state: 'error' }));
    // end
  },
  'eventsource-3'(url) {
    const source = new EventSource3(url);
    source.addEventListener('message', ({ type, lastEventId, data }) => tell({ event: type, id: lastEventId, data }));
    source.addEventListener('error', ({ code, message }) => tell({ state: 'error', detail: `${code} ${message}` }));
  },
  'eventsource-4'(url) {
    const source = new EventSource4(url);
    source.addEventListener('message', ({ type, lastEventId, data }) => tell({ event: type, id: lastEventId, data }));
    source.addEventListener('error', ({ code, message }) => tell({ state: 'error', detail: `${code} ${message}` }));
  },
  async 'eventsource-client'(url) {
    const { createEventSource } = await import('eventsource-client');
    // sample eventsource-client
    const source = createEventSource({ url, onDisconnect: () => tell({ state: 'error' }) });
    for await (const { event = 'message', id, data } of source) {
      if (!event.startsWith('tidegate.')) tell({ event, id, data });
    }
    // end
  },
  async 'launchdarkly-node'(url) {
    const { default: launchDarkly } = await import('launchdarkly-eventsource');
    // sample launchdarkly-node
    const source = new launchDarkly.EventSource(url, {
      maxBackoffMillis: 30_000,
      readTimeoutMillis: 45_000, // three heartbeats
      errorFilter: () => true, // try again after a refusal too
    });
    source.addEventListener('message', ({ type, lastEventId, data }) => tell({ event: type, id: lastEventId, data }));
    source.addEventListener('retrying', () => tell({ state: 'error' }));
    source.addEventListener('error', () => {}); // without a handler the process ends
    // end
  },
};

const [name, url] = process.argv.slice(2);
await clients[name](url);
