import { createFirehoseSink, createKinesisSink } from '../../src/ingest/index.js';
import type { DeadLetters, Sink } from '../../src/ingest/index.js';
import { JumpingClock } from '../support/clocks.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { startFakeAws, tear } from '../support/fake-aws.js';
import type { FakeAws } from '../support/fake-aws.js';
import { CREDENTIALS, Kinesalite, REGION } from '../support/kinesalite.js';
import { describeSink } from './sink.js';
import type { SinkFixture } from './sink.js';

const deadLetters: DeadLetters = { write: () => Promise.reject(new Error('no event here is refused')) };
const common = { stream: 'events', region: REGION, credentials: CREDENTIALS, format: 'data', deadLetters } as const;

function onFake(aws: FakeAws, create: (endpoint: string) => Sink): SinkFixture {
  return {
    create: () => create(aws.url),
    read: () => Promise.resolve(aws.records.map(({ data }) => data)),
    failOnce: () => void aws.faults.push(tear),
    [Symbol.asyncDispose]: () => aws[Symbol.asyncDispose](),
  };
}

describeSink('createKinesisSink() on a fake', async () =>
  onFake(await startFakeAws(), (endpoint) => createKinesisSink({ ...common, endpoint, clock: new JumpingClock() })),
);

describeSink('createKinesisSink() on a fake, in order', async () =>
  onFake(await startFakeAws(), (endpoint) =>
    createKinesisSink({ ...common, endpoint, order: 'key', partitionKey: 'type', clock: new JumpingClock() }),
  ),
);

describeSink('createFirehoseSink() on a fake', async () =>
  onFake(await startFakeAws(), (endpoint) => createFirehoseSink({ ...common, endpoint, clock: new JumpingClock() })),
);

describeSink('createKinesisSink() on kinesalite', async () => {
  const kinesalite = await Kinesalite.start();
  const link = await CuttableLink.open(() => kinesalite.port);
  return {
    create: () => createKinesisSink({ ...common, endpoint: link.url, clock: new JumpingClock() }),
    read: () => kinesalite.read(),
    failOnce: () => link.refuseNext(),
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]();
      await kinesalite[Symbol.asyncDispose]();
    },
  };
});
