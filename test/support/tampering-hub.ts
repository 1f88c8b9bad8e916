import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { HubServer } from './hub-server.js';

/** What goes wrong with the second event of a stream. */
export type Tampering = 'drop' | 'repeat' | 'swap' | 'none';

/** A hub made to fail: its stream, with one event dropped, repeated, or swapped with the next. */
export async function startTamperingHub(
  hub: HubServer,
  tampering: Tampering,
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((incoming, outgoing) => {
    const upstream = request(`${hub.url}${incoming.url}`, { headers: { accept: 'text/event-stream' } }, (response) => {
      outgoing.writeHead(response.statusCode ?? 500, response.headers);
      let rest = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        const blocks = (rest + text).split(/(?<=\n\n)/);
        rest = blocks.at(-1)?.endsWith('\n\n') === false ? (blocks.pop() ?? '') : '';
        outgoing.write(tamper(blocks, tampering).join(''));
      });
    });
    outgoing.on('close', () => upstream.destroy());
    upstream.on('error', () => outgoing.destroy()).end();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.closeAllConnections(),
  };
}

function tamper(blocks: readonly string[], tampering: Tampering): readonly string[] {
  const second = blocks.findIndex((block) => block.includes('data: event 2'));
  if (second === -1) return blocks;
  const block = blocks[second] ?? '';
  const [before, after] = [blocks.slice(0, second), blocks.slice(second + 1)];
  switch (tampering) {
    case 'none':
      return blocks;
    case 'drop':
      return [...before, ...after];
    case 'repeat':
      return [...before, block, block, ...after];
    case 'swap':
      return [...before, after[0] ?? '', block, ...after.slice(1)];
  }
}
