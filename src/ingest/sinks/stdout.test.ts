import { describe, expect, it } from 'vitest';
import { describeSink, spooled } from '../../../test/conformance/sink.js';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { createStdoutSink } from './stdout.js';

// oxlint-disable-next-line typescript/require-await -- a fixture may be asynchronous, this one need not
describeSink('createStdoutSink()', async () => {
  let text = '';
  let failures = 0;
  return {
    create: () =>
      createStdoutSink({
        write(more) {
          if (failures > 0) return Promise.reject(new Error(`failure ${(failures -= 1)}`));
          text += more;
          return Promise.resolve();
        },
      }),
    read: () => Promise.resolve(text.split('\n').slice(0, -1)),
    failOnce: () => void (failures = 1),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
});

describe('createStdoutSink()', () => {
  it('does not hold the end up where the reader does not read', async () => {
    const sink = createStdoutSink({ write: () => new Promise(() => undefined) });
    await sink.open({ pipeline: 'p', runId: 'run', logger: createCapturingLogger() });
    const stop = new AbortController();
    const write = sink.write([spooled(1, 'x')], stop.signal);
    stop.abort();
    await expect(write).rejects.toThrow('stopped');
  });
});
