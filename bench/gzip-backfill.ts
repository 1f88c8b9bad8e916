import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';

import type { Load } from './load.js';
import { cpuSeconds } from './process-usage.js';
import { startServer } from './servers.js';

const EVENTS = 8000;
const EVENT_BYTES = 2000;
const BATCH = 400;
/** After the first, which finds nothing compressed. */
const REQUESTS = 50;
const WORDS = ['tide', 'gate', 'river', 'bank', 'moon', 'ebb', 'flood', 'harbour', 'sluice', 'current'];

/** Text with numbers in it, which compresses to about a third. */
function textOf(at: number): string {
  let text = '';
  for (let word = 0; text.length < EVENT_BYTES; word += 1)
    text += `${WORDS[(at * 7 + word * 3) % WORDS.length]} ${(at * 7919 + word * 104_729) % 100_003} `;
  return text.slice(0, EVENT_BYTES);
}

/** Reads a stream to its end; resolves to its bytes on the wire. */
async function read(url: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const [response] = (await once(get(url, { agent: false, headers }), 'response')) as [IncomingMessage];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await once(response, 'end');
  return bytes;
}

/** What a request costs that reads all of a full history and goes, as the first one and as one of many. */
export const backfill: Load = {
  name: `gzip backfill of ${EVENTS} events of ${EVENT_BYTES} bytes, one reader after the other`,
  servers: ['tidegate'],
  compared: 'cpuMsOfNext',
  isMoreBetter: false,
  async measure(name) {
    await using server = await startServer(name);
    const publishUrl = server.publishUrl.replace('?raw=true', '');
    for (let from = 0; from < EVENTS; from += BATCH) {
      const lines = Array.from({ length: BATCH }, (_, at) => JSON.stringify({ data: textOf(from + at) }));
      const headers = { 'Content-Type': 'application/x-ndjson' };
      await (await fetch(publishUrl, { method: 'POST', body: lines.join('\n'), headers })).arrayBuffer();
    }
    // Its readers come to an end then.
    await (await fetch(`${publishUrl}?end=true`, { method: 'POST', body: 'end' })).arrayBuffer();
    const url = `${server.subscribeUrl}?last=all`;
    const cpuMsOf = async (requests: number, headers: Readonly<Record<string, string>>): Promise<number> => {
      const before = cpuSeconds(server.pids);
      for (let at = 0; at < requests; at += 1) await read(url, headers);
      return ((cpuSeconds(server.pids) - before) * 1000) / requests;
    };
    const gzip = { 'Accept-Encoding': 'gzip' };
    const cpuMsOfFirst = await cpuMsOf(1, gzip);
    const cpuMsOfNext = await cpuMsOf(REQUESTS, gzip);
    const cpuMsOfPlain = await cpuMsOf(REQUESTS, {});
    return { cpuMsOfFirst, cpuMsOfNext, cpuMsOfPlain, megabytes: (await read(url, gzip)) / 1e6 };
  },
};
