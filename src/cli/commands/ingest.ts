import { join, resolve } from 'node:path';
import {
  createFileCheckpointStore,
  createFileSink,
  createHubSink,
  createPipeline,
  createSseSource,
} from '../../ingest/index.js';
import type { Pipeline, PipelineOutcome, PipelineSink, Source } from '../../ingest/index.js';
import { createAwsSinks } from '../aws-sinks.js';
import type { AwsSinksOptions } from '../aws-sinks.js';
import type { Settings } from '../config/index.js';
import { CliError } from '../errors.js';
import { readHeaders } from '../headers.js';
import { above, LiveLine } from '../live-line.js';
import { runPipelines } from '../pipelines-service.js';
import type { PipelineRequest } from '../pipelines-service.js';
import { createServiceLogger } from '../service.js';
import type { Command } from '../verbs.js';

/** `tidegate ingest`: its pipelines until their sources end for good or the process is told to stop. */
export const ingest: Command = async (context) => {
  const { io } = context;
  const line = io.stderr.isTTY === true ? new LiveLine(io.stderr) : undefined;
  const logger = createServiceLogger(context, io.stdout, above(line, io.stdout));
  const outcomes = await runPipelines(context, { logger, line, create: createPipelineOf });
  for (const outcome of outcomes.values()) throwIfFailed(outcome);
};

/** The pipeline that `settings` ask for, for one run. @throws CliError, IngestError: it can never run like this. */
export async function createPipelineOf({ settings, io, logger, lease }: PipelineRequest): Promise<Pipeline> {
  const { cwd } = io;
  const name = settings['pipeline.name'];
  return createPipeline({
    name,
    source: createSource(settings, await readHeaders(settings, cwd)),
    ...(settings['filter.types'].length === 0 ? {} : { types: settings['filter.types'] }),
    spool: { eventsMax: settings['spool.events'], bytesMax: settings['spool.bytes'] },
    sinks: createSinks({ settings, cwd, logger }),
    checkpoint: createFileCheckpointStore({ path: checkpointPath(settings, cwd), pipeline: name }),
    checkpointIntervalMs: settings['checkpoint.intervalMs'],
    logger,
    ...lease,
  });
}

/** @throws CliError `failed`, with the pipeline's own code in the sentence. */
export function throwIfFailed(outcome: PipelineOutcome): void {
  if (outcome.kind === 'failed') throw new CliError('failed', `${outcome.message} (${outcome.code})`);
}

export function createSource(settings: Settings, headers: Readonly<Record<string, string>>): Source {
  return createSseSource({
    url: settings['source.url'] ?? '',
    headers,
    idleTimeoutMs: settings['source.idleTimeoutMs'],
    maxEventBytes: settings['source.maxEventBytes'],
  });
}

function createSinks(options: AwsSinksOptions): readonly PipelineSink[] {
  const { settings, cwd } = options;
  const sinks: PipelineSink[] = [];
  const folder = settings['sink.file.dir'];
  if (folder !== undefined) {
    const sink = createFileSink({
      folder: resolve(cwd, folder),
      name: settings['pipeline.name'],
      format: settings.format,
      rotateBytes: settings['sink.file.rotateBytes'],
      rotateMs: settings['sink.file.rotateMs'],
      gzip: settings['sink.file.gzip'],
    });
    sinks.push({ sink });
  }
  const [url, channel] = [settings['sink.hub.url'], settings['sink.hub.channel']];
  if (url !== undefined && channel !== undefined)
    sinks.push({ sink: createHubSink({ url, channel, keepIds: settings['sink.hub.keepIds'] }) });
  sinks.push(...createAwsSinks(options));
  return sinks;
}

function checkpointPath(settings: Settings, cwd: string): string {
  const file = settings['checkpoint.file'];
  if (file !== undefined) return resolve(cwd, file);
  return join(resolve(cwd, settings['data.dir']), `${settings['pipeline.name']}.checkpoint.json`);
}
