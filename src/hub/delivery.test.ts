import { expect, test } from 'vitest';

import { ANONYMOUS } from './auth/access.js';
import type { FlushBytes } from './flush-bytes.js';
import { HubCore } from './hub.js';
import type { Outlet } from './subscriber.js';

const WRITE_MS = 0.5;
const SUBSCRIBERS = 100;

/** A client whose every write keeps the event loop busy for a while. */
class LaboriousOutlet implements Outlet {
  readonly pendingBytes = 0;
  readonly socket = undefined;
  readonly writes: string[] = [];

  write(bytes: Uint8Array): boolean {
    const startedMs = performance.now();
    while (performance.now() - startedMs < WRITE_MS);
    this.writes.push(Buffer.from(bytes).toString());
    return true;
  }

  flush(flush: FlushBytes): boolean {
    return this.write(flush.plain);
  }

  onDrain(): void {}
  end(): void {}
  destroy(): void {}
  destroyConnection(): void {}

  /** The data of all events, and of gaps. */
  get data(): readonly string[] {
    return Array.from(this.writes.join('').matchAll(/^data: ?(.+)$/gm), ([, data = '']) => data);
  }
}

async function subscribe(core: HubCore): Promise<LaboriousOutlet> {
  const more = { isEnvelope: false, address: '127.0.0.1', access: ANONYMOUS, userAgent: undefined };
  const outlet = new LaboriousOutlet();
  core.admit(await core.open({ channels: ['a'], resume: {}, ...more }), outlet);
  return outlet;
}

test('Delivery lets events in between two parts of a long round, and sends them to who is still to come', async () => {
  const core = new HubCore({ history: { events: 1 } });
  const outlets = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => subscribe(core)));
  await core.publishOne('a', { data: 'first' });
  while (outlets[0]?.data.includes('first') !== true) await new Promise(setImmediate);
  // The history holds one event, but these have yet to be sent to all.
  for (const data of ['second', 'third', 'fourth']) await core.publishOne('a', { data });
  const everything = ['first', 'second', 'third', 'fourth'];
  await expect
    .poll(() => outlets.map(({ data }) => data.filter((text) => text !== '{}')))
    .toEqual(outlets.map(() => everything));
  expect(outlets.at(-1)?.writes.find((text) => text.includes('first'))).toContain('fourth');
  expect(outlets[0]?.writes.find((text) => text.includes('first'))).not.toContain('second');
  expect(core.store.channels.get('a')?.history.events).toBe(1);
  core.close();
});
