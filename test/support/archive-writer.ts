// A child process that archives events until it is killed, and says on standard output what is durable.
import { writeSync } from 'node:fs';
import { createFileSink } from '../../src/ingest/sinks/file.js';
import { createCapturingLogger } from './capturing-logger.js';

const [folder = '', first = '1'] = process.argv.slice(2);
const sink = createFileSink({ folder, gzip: true, rotateBytes: 20_000 });
await sink.open({ pipeline: 'p', runId: 'r', logger: createCapturingLogger() });
for (let sequence = Number(first); ;) {
  const batch = Array.from({ length: 20 }, (_, index) => {
    const data = JSON.stringify({ n: sequence + index, filler: 'x'.repeat(100 + ((sequence + index) % 100)) });
    return { id: '', type: 'message', data, receivedAt: 0, sequence: sequence + index, bytes: data.length };
  });
  await sink.write(batch, new AbortController().signal);
  sequence += batch.length;
  writeSync(1, `${sequence - 1}\n`);
}
