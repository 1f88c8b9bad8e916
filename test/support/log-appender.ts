// A child process that appends to a log until it is killed, and says on standard output what is durable.
import { writeSync } from 'node:fs';
import { openSegmentLog } from '../../src/log/segment-log.js';

const [folder = ''] = process.argv.slice(2);
const log = await openSegmentLog({ folder, segmentBytes: 20_000 });
for (;;) {
  const first = log.next;
  await log.append(
    Array.from({ length: 7 }, (_, at) => Buffer.from(`${first + at} ${'x'.repeat((first + at) % 300)}`)),
  );
  writeSync(1, `${log.next - 1}\n`);
}
