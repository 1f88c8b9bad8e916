import { readFile } from 'node:fs/promises';

import { startNginx } from './nginx.js';

const CONFIGURATION = new URL('../../deploy/compose/demo/nginx.conf', import.meta.url);

interface DemoProxyOptions {
  readonly port: number;
  /** `host:port` of each hub. */
  readonly hubs: readonly string[];
  /** Lines of the file to be other ones, beside the addresses. */
  readonly changes?: Readonly<Record<string, string>>;
}

/** nginx as `deploy/compose/demo` has it, on a port of this machine, before hubs of this machine. */
export async function startDemoProxy({ port, hubs, changes = {} }: DemoProxyOptions): Promise<AsyncDisposable> {
  const here = {
    'server server:8080;': hubs.map((hub) => `server ${hub};`).join('\n'),
    'listen 80;': `listen 127.0.0.1:${port};`,
    'pid /tmp/nginx.pid;': 'pid nginx.pid;',
    ...changes,
  };
  let text = await readFile(CONFIGURATION, 'utf8');
  for (const [line, other] of Object.entries(here)) {
    if (!text.includes(line)) throw new Error(`nginx.conf has no line "${line}"`);
    text = text.replaceAll(line, other);
  }
  return startNginx(text, port);
}
