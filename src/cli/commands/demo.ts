import { join, relative, resolve } from 'node:path';
import {
  createFileCheckpointStore,
  createFileSink,
  createHubSink,
  createPipeline,
  createSseSource,
  IngestError,
} from '../../ingest/index.js';
import type { Pipeline } from '../../ingest/index.js';
import { createHub } from '../../hub/index.js';
import type { Hub, HubServer } from '../../hub/index.js';
import type { Logger } from '../../runtime/index.js';
import { CliError } from '../errors.js';
import { openDemoSource } from '../demo-source.js';
import type { DemoSource } from '../demo-source.js';
import { readHeaders } from '../headers.js';
import { hubOptionsOf, listen, stopHub } from '../hub-service.js';
import type { Io } from '../io.js';
import { above, LiveLine } from '../live-line.js';
import { reportProgress } from '../pipeline-report.js';
import { createServiceLogger, explainListen, isPortInUse, say, stopAlsoOnHangup, untilAborted } from '../service.js';
import { painter } from '../terminal.js';
import type { Command, CommandContext } from '../verbs.js';
import { throwIfFailed } from './ingest.js';

/** How many ports after the asked one are tried when it is in use. */
const PORTS_TRIED = 20;
/** Pages are told at once that the demo ends. */
const DEMO_DRAIN_MS = 300;
/** Whatever a file says of it, the demo asks nobody and tells nobody. */
const ON_ITS_OWN = {
  auth: 'none',
  'auth.webhook.url': undefined,
  'webhooks.url': undefined,
  'hub.drainMs': DEMO_DRAIN_MS,
} as const;
/** A smaller archive file is looked at sooner. */
const ROTATE_BYTES = 16 * 1024 * 1024;

/** `tidegate demo`: source, ingest, archive, hub and page in one process, over real HTTP between them. */
export const demo: Command = async (given) => {
  using stop = stopAlsoOnHangup(given.io);
  const context = { ...given, io: { ...given.io, signal: stop.signal } };
  const { settings, io } = context;
  const line = io.stderr.isTTY === true && io.stdout.isTTY === true ? new LiveLine(io.stderr) : undefined;
  const logger = createServiceLogger(context, io.stderr, above(line, io.stderr));
  const rate = settings.rate === 'max' ? 'max' : Number(settings.rate);
  // Before anything is begun or an address is printed: two demos cannot write one archive.
  await using _lock = await lockFolder(resolve(io.cwd, settings['data.dir']), settings['data.dir']);
  await using source = await openDemoSource({ url: settings['source.url'], rate });
  await using hub = createHub(await hubOptionsOf({ ...settings, ...ON_ITS_OWN }, logger, io.cwd));
  const server = await listenNear(hub, settings['http.host'], settings['http.port']);
  try {
    const archive = resolve(io.cwd, settings['data.dir']);
    const pipeline = createPipeline(await wire(context, { source, server, archive, logger }));
    announce(context, { source, server, archive: join(archive, 'archive') });
    using _report = reportProgress({ pipelines: () => [{ name: source.name, stats: pipeline.stats() }], logger, line });
    await runUntilStopped(pipeline, io, line);
  } finally {
    await stopHub(hub, server);
  }
  say(io, 'Stopped. Start it again: it goes on where it was.');
};

/** Keeps other demos out of the folder. @throws CliError `contradiction`: one is there. */
async function lockFolder(path: string, shown: string): Promise<AsyncDisposable | undefined> {
  try {
    return await createFileCheckpointStore({ path: join(path, 'demo'), pipeline: 'demo' }).lock?.();
  } catch (error) {
    if (!(error instanceof IngestError) || error.code !== 'checkpoint-locked') throw error;
    const message = `Cannot start the demo: another one runs in ${shown}; stop it, or give --data.dir another folder`;
    throw new CliError('contradiction', message, { cause: error });
  }
}

/** When the source ends for good the page stays, with everything that came. */
async function runUntilStopped(pipeline: Pipeline, io: Io, line: LiveLine | undefined): Promise<void> {
  const outcome = await pipeline.run(io.signal);
  line?.clear();
  throwIfFailed(outcome);
  if (outcome.kind !== 'ended') return;
  say(io, 'The source has ended; the page stays until Ctrl-C.');
  await untilAborted(io.signal);
}

/** The port asked for, or the next free one. */
async function listenNear(hub: Hub, host: string, port: number): Promise<HubServer> {
  for (let tried = 0; ; tried += 1) {
    try {
      return await listen(hub, { host, port: port === 0 ? 0 : port + tried });
    } catch (error) {
      const isLast = tried === PORTS_TRIED || port + tried === 65_535;
      if (!isPortInUse(error) || isLast) throw explainListen(error, host, port + tried);
    }
  }
}

interface Parts {
  readonly source: DemoSource;
  readonly server: HubServer;
  readonly archive: string;
}

async function wire(
  { settings, io }: CommandContext,
  { source, server, archive, logger }: Parts & { readonly logger: Logger },
): Promise<Parameters<typeof createPipeline>[0]> {
  const headers = await readHeaders(settings, io.cwd);
  const types = settings['filter.types'];
  return {
    name: source.name,
    source: createSseSource({ url: source.url, headers }),
    ...(types.length === 0 ? {} : { types }),
    sinks: [
      { sink: createHubSink({ url: server.url, channel: source.channel }) },
      { sink: createFileSink({ folder: join(archive, 'archive'), prefix: source.name, rotateBytes: ROTATE_BYTES }) },
    ],
    checkpoint: createFileCheckpointStore({
      path: join(archive, `${source.name}.checkpoint.json`),
      pipeline: source.name,
    }),
    logger,
  };
}

function announce({ settings, io }: CommandContext, { source, server, archive }: Parts): void {
  const paint = painter(io.stdout, io.env);
  const asked = settings['http.port'];
  const isMoved = asked !== 0 && server.port !== asked;
  const rows: readonly (readonly [string, string])[] = [
    ['page', paint('cyan', `${server.url}/#${source.channel}`)],
    ['source', source.description],
    ['channel', source.channel],
    ['archive', relative(io.cwd, archive) || archive],
    ['try', `curl -N ${server.url}/subscribe/${source.channel}`],
    ['stop', 'Ctrl-C'],
  ];
  say(io, '');
  say(io, `  ${paint('bold', 'Tidegate')}${isMoved ? `  (port ${asked} is in use, so ${server.port} it is)` : ''}`);
  say(io, '');
  for (const [name, text] of rows) say(io, `  ${paint('dim', name.padEnd(8))} ${text}`);
  say(io, '');
}
