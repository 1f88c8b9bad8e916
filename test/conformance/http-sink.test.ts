import { describe } from 'vitest';
import { createHttpSink } from '../../src/ingest/index.js';
import { BatchReceiver, tear } from '../support/batch-receiver.js';
import { JumpingClock } from '../support/clocks.js';
import { MemoryDeadLetters } from '../support/memory-dead-letters.js';
import { describeSink } from './sink.js';

describe.each(['the connection torn before', 'the answer lost'])('createHttpSink(), %s', (fault) => {
  describeSink('createHttpSink()', async () => {
    const receiver = await BatchReceiver.start();
    const clock = new JumpingClock();
    return {
      create: () => createHttpSink({ url: receiver.url, deadLetters: new MemoryDeadLetters(), clock }),
      read: () => Promise.resolve(receiver.lines),
      failOnce: () =>
        void receiver.faults.push((response, batch) => {
          if (fault === 'the answer lost') receiver.take(batch);
          return tear(response, batch);
        }),
      [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
    };
  });
});
