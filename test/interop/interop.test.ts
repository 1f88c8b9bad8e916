import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { afterRestart, SINGLE_CHECKS } from './checks.js';
import type { Stage } from './checks.js';
import { CHECKS, CLIENTS } from './clients.js';
import type { CheckName, InteropClient } from './clients.js';
import { clientSamples, clientTable, documented } from './documented.js';
import { Drivers, isHere } from './drivers.js';
import { RestartableHub } from './restartable-hub.js';

/** Clients that a check runs at one time: more would wait for each other on a small machine. */
const AT_ONCE = 8;

/** For work on one client: `TIDEGATE_INTEROP_ONLY=go` runs those with this in their name or runtime. */
const only = process.env['TIDEGATE_INTEROP_ONLY'] ?? '';
const chosen = CLIENTS.filter(({ name, runtime }) => `${runtime} ${name}`.includes(only));
const here = chosen.filter(({ runtime }) => isHere(runtime));

/** What each check saw of each client, as the page says it. */
const seen = new Map<string, string>();
const key = (client: InteropClient, check: CheckName): string => `${client.runtime} ${client.name} ${check}`;

type Outcomes = ReadonlyMap<InteropClient, Promise<void>>;

let drivers: Drivers;
beforeAll(async () => void (drivers = await Drivers.open()));
afterAll(() => drivers[Symbol.asyncDispose]());

describe.each(CHECKS)('%s', (check) => {
  let hub: RestartableHub;
  let outcomes: Outcomes;
  beforeAll(async () => {
    hub = await RestartableHub.start(drivers.origin);
    outcomes = await begin(check, { hub, follow: drivers.follow });
  });
  afterAll(() => hub[Symbol.asyncDispose]());

  for (const client of chosen) {
    const limit = client.limits?.[check];
    const risk = client.risks?.[check];
    test.skipIf(!isHere(client.runtime))(`${client.name} in ${client.runtime}${limit ? ` ${limit}` : ''}`, async () => {
      const failure = await failureOf(outcomes.get(client));
      // A limit that is one no more must leave clients.ts: then the page says so too.
      const outcome = risk ?? (failure === undefined ? 'yes' : (limit ?? failure));
      expect(outcome).toBe(risk ?? limit ?? 'yes');
      seen.set(key(client, check), outcome);
    });
  }
});

test.skipIf(here.length < CLIENTS.length)('docs/clients.md says what this run saw', () => {
  const said = clientTable(CLIENTS, (client, check) => seen.get(key(client, check)) ?? '**no**');
  const samples = documented('samples', clientSamples(CLIENTS));
  const matrix = documented('table', said);
  // If it does not: npm run test:world -- --write
  expect(matrix.is).toBe(matrix.wanted);
  expect(samples.is).toBe(samples.wanted);
});

/** Starts a check for all clients that are here; each test waits for its own. */
async function begin(check: CheckName, stage: Stage): Promise<Outcomes> {
  if (check === 'hub killed') return afterRestart(stage, here, 'killed');
  if (check === 'hub drained') return afterRestart(stage, here, 'drained');
  const run = SINGLE_CHECKS[check];
  const free = Array.from({ length: AT_ONCE }, () => Promise.resolve());
  return new Map(
    here.map((client, index) => {
      const outcome = (free[index % AT_ONCE] ?? Promise.resolve()).then(() => run(stage, client));
      free[index % AT_ONCE] = outcome.catch(() => undefined);
      return [client, outcome];
    }),
  );
}

async function failureOf(outcome: Promise<void> | undefined): Promise<string | undefined> {
  return outcome?.then(
    () => undefined,
    (error: Error) => error.message,
  );
}
