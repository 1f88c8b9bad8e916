import { createHash, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Claims, PipelineSet } from '../ingest/index.js';
import type { CheckpointStore, Fence, Pipeline, PipelineDefinition, PipelineOutcome } from '../ingest/index.js';
import type { Logger } from '../runtime/index.js';
import { describeOrigin, PIPELINE_KEYS, PROCESS_KEYS } from './config/index.js';
import type { Loaded, PipelineSettings, Settings } from './config/index.js';
import { CliError } from './errors.js';
import { readHeaders } from './headers.js';
import type { Io } from './io.js';
import type { LiveLine } from './live-line.js';
import { listenForOperations } from './operations-server.js';
import { reportProgress } from './pipeline-report.js';
import { readSettingFile } from './setting-file.js';
import { withoutSecrets } from './source-name.js';
import type { CommandContext } from './verbs.js';

/** Files that a pipeline reads when it is made. */
const FILES = [
  'source.bodyFile',
  'source.tls.ca',
  'source.tls.cert',
  'source.tls.key',
  'sink.http.secretFile',
] as const;

/** What one run of a pipeline is made of. */
export interface PipelineRequest {
  readonly settings: Settings;
  readonly origins: PipelineSettings['origins'];
  readonly io: Io;
  readonly logger: Logger;
  /** Takes the place of the pipeline's own checkpoint. */
  readonly lease?: { readonly fence: Fence; readonly checkpoint: CheckpointStore } | undefined;
}

export interface PipelinesOptions {
  readonly logger: Logger;
  readonly line: LiveLine | undefined;
  readonly create: (request: PipelineRequest) => Promise<Pipeline>;
}

/**
 * Runs the pipelines of the configuration until all have ended or the process is told to stop. One that is given by
 * flags fails with its process; of several each is tried again by itself, and SIGHUP reads their file again.
 * @throws CliError, IngestError: a pipeline can never run as it is configured; nothing was begun then.
 */
export async function runPipelines(
  context: CommandContext,
  options: PipelinesOptions,
): Promise<ReadonlyMap<string, PipelineOutcome>> {
  const { settings, io } = context;
  const { logger, line } = options;
  const definitions = await defineAll(context, context, options);
  await using claims = createClaims(settings, logger);
  const isMany = context.pipelines !== undefined;
  const pipelines = new PipelineSet({ claims, logger, onFailure: isMany ? 'again' : 'end' });
  await using server = await listenForOperations(settings, pipelines);
  if (server !== undefined) logger.info({ url: server.url }, 'Answering /metrics, /health and /ready');
  using _report = reportProgress({
    pipelines: () => pipelines.statuses(),
    logger,
    line,
    logEveryMs: settings['log.reportMs'],
  });
  using _stopping = tellOfStop(pipelines, io.signal, logger);
  using _reload = isMany ? reloadOnHangup(context, pipelines, options) : undefined;
  return await pipelines.run(definitions, io.signal);
}

/** Sinks may take a while to get what waits for them; who asked for the end shall know that it was heard. */
function tellOfStop(pipelines: PipelineSet, signal: AbortSignal, logger: Logger): Disposable {
  const tell = (): void => {
    const waiting = pipelines.statuses().reduce((sum, { stats }) => sum + (stats?.spool.events ?? 0), 0);
    logger.info({ waiting }, 'Stopping once sinks have what waits for them; a second signal stops at once');
  };
  signal.addEventListener('abort', tell);
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', tell) };
}

/** Reads and checks everything before anything begins. */
async function defineAll(
  { settings, origins, pipelines }: Pick<Loaded, 'settings' | 'origins' | 'pipelines'>,
  { io }: CommandContext,
  options: PipelinesOptions,
): Promise<readonly PipelineDefinition[]> {
  const alone: PipelineSettings = { name: settings['pipeline.name'], settings, origins };
  const definitions: PipelineDefinition[] = [];
  for (const pipeline of pipelines ?? [alone]) definitions.push(await define(pipeline, io, options));
  return definitions;
}

async function define(
  { name, settings, origins }: PipelineSettings,
  io: Io,
  { create, logger }: PipelinesOptions,
): Promise<PipelineDefinition> {
  const request = { settings, origins, io, logger };
  // What can never run shall be said now, and not by the run.
  await create(request);
  return {
    name,
    fingerprint: await fingerprintOf(settings, io.cwd),
    silenceMs: settings['health.silenceMs'],
    create: (lease) => {
      tellProxy({ name, settings, origins }, logger);
      return create({ ...request, lease });
    },
  };
}

/** Said at each start: a proxy that only the environment names is easily forgotten. */
function tellProxy({ name, settings, origins }: PipelineSettings, logger: Logger): void {
  const [proxy, origin] = [settings['source.proxy'], origins.get('source.proxy')];
  if (proxy === undefined) return;
  const from = origin === undefined ? {} : { from: describeOrigin(origin) };
  logger.info({ pipeline: name, proxy: withoutSecrets(proxy), ...from }, 'The source is asked through a proxy');
}

/** The same for the same settings and files that are read once; a hash, for they may be secret. */
async function fingerprintOf(settings: Settings, cwd: string): Promise<string> {
  const values = PIPELINE_KEYS.map((key) => settings[key]);
  const headers = await readHeaders(settings, cwd);
  const files = await Promise.all(FILES.map((key) => readSettingFile(settings, key, cwd)));
  return createHash('sha256')
    .update(JSON.stringify([values, headers, files]))
    .digest('hex');
}

function createClaims(settings: Settings, logger: Logger): Claims | undefined {
  const url = settings['leases.url'];
  if (url === undefined) return undefined;
  return new Claims({
    url,
    prefix: settings['leases.prefix'],
    ttlMs: settings['leases.ttlMs'],
    worker: `${hostname()}-${process.pid}-${randomUUID().slice(0, 4)}`,
    logger,
  });
}

/** A configuration that cannot be used is refused whole, and the old one goes on. */
function reloadOnHangup(
  context: CommandContext,
  pipelines: PipelineSet,
  options: PipelinesOptions,
): Disposable | undefined {
  const { logger } = options;
  let last: Promise<void> = Promise.resolve();
  const reload = async (): Promise<void> => {
    try {
      const loaded = context.reload();
      if (loaded.pipelines === undefined)
        throw new CliError('missing-value', 'Cannot go on without pipelines: the configuration names none any more');
      const definitions = await defineAll(loaded, context, options);
      warnOfOthers(context.settings, loaded.settings, logger);
      const changes = await pipelines.apply(definitions);
      logger.info(changes, 'Configuration reloaded');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      const reason = error instanceof Error ? error.message : String(error);
      logger.error({ code, error: reason }, 'Cannot reload the configuration; the old one goes on');
    }
  };
  let isWaiting = false;
  return context.io.onHangup?.(() => {
    // One that has not begun will read what this one would.
    if (isWaiting) return;
    isWaiting = true;
    last = last.then(() => {
      isWaiting = false;
      return reload();
    });
  });
}

function warnOfOthers(before: Settings, after: Settings, logger: Logger): void {
  const keys = PROCESS_KEYS.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
  if (keys.length > 0) logger.warn({ keys }, 'These settings are read at the start only; restart for them');
}
