import { connectionsIn, hubOptionsOf, listen, openHub, stopHub } from '../hub-service.js';
import { readFileRoom } from '../open-files.js';
import type { FileRoom } from '../open-files.js';
import { createWorkerHub, startPrimary } from '../../hub/index.js';
import type { Hub, HubServer } from '../../hub/index.js';
import type { Logger } from '../../runtime/index.js';
import { createServiceLogger, explainListen, stopAlsoOnHangup, untilAborted } from '../service.js';
import { readTls } from '../tls-files.js';
import type { Settings } from '../config/index.js';
import type { Command, CommandContext } from '../verbs.js';
import { CliError } from '../errors.js';
import { countWorkers, isChild, receiveAssignment, reportReady, supervise, untilReleased } from '../workers.js';
import type { Assignment } from '../workers.js';

/** `tidegate serve`: a hub until the process is told to stop; then it drains. */
export const serve: Command = async (given) => {
  // The terminal hangs up on workers and on the process that orders events too: these stop when their supervisor says so.
  using stop = stopAlsoOnHangup(given.io);
  const context = { ...given, io: { ...given.io, signal: stop.signal } };
  const logger = createServiceLogger(context);
  const workers = countWorkers(context.settings.workers);
  if (workers === 1) return await serveAlone(context, logger);
  if (!isChild()) return await superviseWorkers(context, logger, workers);
  const assignment = await receiveAssignment();
  return await (assignment.role === 'primary'
    ? orderEvents(context, logger, assignment)
    : serveAsWorker(context, logger, assignment));
};

async function serveAlone(context: CommandContext, logger: Logger): Promise<void> {
  const room = await readFileRoom(context.settings['limits.connections'], logger);
  await using hub = await openHub(context.settings, { logger, cwd: context.io.cwd, room });
  const { signal } = context.io;
  const onListening = (url: string): void =>
    logger.info(url.startsWith('unix:') ? { url } : { url, page: `${url}/` }, 'Hub listening');
  await serveHub(context, hub, { logger, signal, port: context.settings['http.port'], room, onListening });
}

async function superviseWorkers({ settings, io }: CommandContext, logger: Logger, workers: number): Promise<void> {
  await supervise({
    workers,
    port: settings['http.port'],
    drainMs: settings['hub.drainMs'],
    logger,
    signal: io.signal,
    onListening: (url) => logger.info({ url, page: `${url}/`, workers }, 'Hub listening'),
  });
}

/** The primary outlives the workers' drain: it stops when its supervisor lets go of it, and not by a signal. */
async function orderEvents(
  { settings, io }: CommandContext,
  logger: Logger,
  { primaryPath }: Assignment,
): Promise<void> {
  await using _primary = await startPrimary(await hubOptionsOf(settings, logger, io.cwd), primaryPath);
  reportReady();
  await untilReleased();
}

async function serveAsWorker(context: CommandContext, logger: Logger, assignment: Assignment): Promise<void> {
  const { primaryPath, port } = assignment;
  const lost = new AbortController();
  const room = await readFileRoom(context.settings['limits.connections'], logger);
  await using hub = await createWorkerHub({
    ...(await hubOptionsOf(context.settings, logger, context.io.cwd)),
    ...connectionsIn(room),
    primaryPath,
    workers: countWorkers(context.settings.workers),
    onPrimaryLost: () => lost.abort(),
  });
  const signal = AbortSignal.any([context.io.signal, lost.signal]);
  await serveHub(context, hub, {
    logger,
    signal,
    port,
    room,
    onListening: reportListening,
    isCut: () => lost.signal.aborted,
  });
  if (lost.signal.aborted) throw new CliError('failed', 'Cannot go on: the process that orders events is gone');
}

function reportListening(url: string): void {
  reportReady({ url, port: Number(new URL(url).port) });
}

/** A port of its own for metrics and health; undefined if `metrics.port` is not set. @throws CliError if it cannot be had. */
async function listenForHubOperations(settings: Settings, hub: Hub, logger: Logger): Promise<HubServer | undefined> {
  const [host, port] = [settings['metrics.host'], settings['metrics.port']];
  if (port === undefined) return undefined;
  const server = await listen({ handler: hub.operationsHandler }, { host, port }).catch((error: unknown) => {
    throw explainListen(error, host, port);
  });
  logger.info({ url: server.url }, 'Metrics, health and readiness listening');
  return server;
}

interface ServeOptions {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly port: number;
  readonly room: FileRoom | undefined;
  readonly onListening: (url: string) => void;
  /** Whether connections are to be cut, and not sent away one by one. */
  readonly isCut?: () => boolean;
}

async function serveHub({ settings, io }: CommandContext, hub: Hub, options: ServeOptions): Promise<void> {
  const { logger, signal, port, room, onListening, isCut = () => false } = options;
  await hub.ready();
  const tls = await readTls(settings, io.cwd);
  const host = settings['http.host'];
  const sockets = room === undefined ? {} : { socketsMax: room.socketsMax };
  const server = await listen(hub, { host, port, ...sockets, ...(tls === undefined ? {} : { tls }) }).catch(
    (error: unknown) => {
      throw explainListen(error, host, port);
    },
  );
  await using _operations = await listenForHubOperations(settings, hub, logger);
  onListening(server.url);
  await untilAborted(signal);
  if (isCut()) {
    await hub.close();
    void server.close();
    return;
  }
  logger.info({ drainMs: settings['hub.drainMs'] }, 'Hub draining');
  await stopHub(hub, server);
  logger.info({}, 'Hub stopped');
}
