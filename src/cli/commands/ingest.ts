import { resolve } from 'node:path';
import { createFileSink, createHubSink, createPipeline } from '../../ingest/index.js';
import type { Pipeline, PipelineOutcome, PipelineSink } from '../../ingest/index.js';
import { createAwsSinks } from '../aws-sinks.js';
import { createCheckpointStore } from '../checkpoint-store.js';
import { deadLettersOnce } from '../dead-letters.js';
import type { PipelineContext } from '../dead-letters.js';
import { CliError } from '../errors.js';
import { createSource, intakeOf } from '../ingest-source.js';
import type { Output } from '../io.js';
import { withLegacyDefaults } from '../legacy-ingest.js';
import { above, LiveLine } from '../live-line.js';
import { createOtherSinks } from '../other-sinks.js';
import { runPipelines } from '../pipelines-service.js';
import type { PipelineRequest } from '../pipelines-service.js';
import { createServiceLogger } from '../service.js';
import { nameOfSource } from '../source-name.js';
import { spoolOf } from '../spool-options.js';
import type { Command } from '../verbs.js';

/** `tidegate ingest`: its pipelines until their sources end for good or the process is told to stop. */
export const ingest: Command = async (context) => {
  const { io } = context;
  // Where events go to standard output, everything else goes beside it.
  const all = context.pipelines?.map(({ settings }) => settings) ?? [context.settings];
  const isStdoutTaken = all.some((settings) => settings['sink.stdout']);
  const output = isStdoutTaken ? io.stderr : io.stdout;
  // Not among events that are written to the same terminal.
  const line = io.stderr.isTTY === true && !isStdoutTaken ? new LiveLine(io.stderr) : undefined;
  const logger = createServiceLogger(context, output, above(line, output));
  const outcomes = await runPipelines(context, { logger, line, create: createPipelineOf });
  for (const outcome of outcomes.values()) throwIfFailed(outcome);
};

/** The pipeline that `settings` ask for, for one run. @throws CliError, IngestError: it can never run like this. */
export async function createPipelineOf(request: PipelineRequest): Promise<Pipeline> {
  const { origins, io, logger, lease } = request;
  const settings = withLegacyDefaults(request.settings, origins);
  const { cwd, stdout } = io;
  const name = settings['pipeline.name'];
  return createPipeline({
    name,
    source: await createSource(settings, io),
    sourceName: nameOfSource(settings),
    ...intakeOf(settings),
    spool: spoolOf(settings, cwd),
    sinks: await createSinks({ settings, cwd, logger, stdout }),
    checkpoint: createCheckpointStore(settings, cwd),
    checkpointIntervalMs: settings['checkpoint.intervalMs'],
    logger,
    ...lease,
  });
}

/** @throws CliError `failed`, with the pipeline's own code in the sentence. */
export function throwIfFailed(outcome: PipelineOutcome): void {
  if (outcome.kind === 'failed') throw new CliError('failed', `${outcome.message} (${outcome.code})`);
}

async function createSinks(context: PipelineContext & { readonly stdout: Output }): Promise<readonly PipelineSink[]> {
  const { settings, cwd } = context;
  const options = { ...context, deadLetters: deadLettersOnce(context) };
  const sinks: PipelineSink[] = [];
  const folder = settings['sink.file.dir'];
  if (folder !== undefined) {
    const sink = createFileSink({
      folder: resolve(cwd, folder),
      prefix: settings['pipeline.name'],
      format: settings.format,
      rotateBytes: settings['sink.file.rotateBytes'],
      rotateMs: settings['sink.file.rotateMs'],
      gzip: settings['sink.file.gzip'],
    });
    sinks.push({ sink, onFull: settings['sink.file.onFull'] });
  }
  const [url, channel] = [settings['sink.hub.url'], settings['sink.hub.channel']];
  if (url !== undefined && channel !== undefined)
    sinks.push({
      sink: createHubSink({ url, channel, deadLetters: options.deadLetters(), keepIds: settings['sink.hub.keepIds'] }),
      onFull: settings['sink.hub.onFull'],
    });
  sinks.push(...createAwsSinks(options), ...(await createOtherSinks(options)));
  return sinks;
}
