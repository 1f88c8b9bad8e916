// What one writes in an afternoon: the eventsource package, and one put for each event, one after the other.
//   node bench/servers/naive-ingest.mjs URL ENDPOINT
// Answers `count` on standard input with how many events were put.
import { createInterface } from 'node:readline';

import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { EventSource } from 'eventsource';

const [url, endpoint] = process.argv.slice(2);
const kinesis = new KinesisClient({ endpoint, region: 'eu-west-1', requestHandler: new NodeHttpHandler() });
let count = 0;
let last = Promise.resolve();

async function put(before, { type, data }) {
  await before;
  const Records = [{ PartitionKey: type, Data: Buffer.from(data) }];
  await kinesis.send(new PutRecordsCommand({ StreamName: 'events', Records }));
  count += 1;
}

new EventSource(url).addEventListener('message', (event) => {
  last = put(last, event);
});
createInterface(process.stdin).on('line', () => console.log(count));
