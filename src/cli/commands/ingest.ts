import { join, resolve } from 'node:path';
import { createFileCheckpointStore, createFileSink, createHubSink, createPipeline } from '../../ingest/index.js';
import type { PipelineOutcome, PipelineSink } from '../../ingest/index.js';
import { createAwsSinks } from '../aws-sinks.js';
import type { AwsSinksOptions } from '../aws-sinks.js';
import type { Settings } from '../config/index.js';
import { CliError } from '../errors.js';
import { createSource, intakeOf } from '../ingest-source.js';
import { above, LiveLine } from '../live-line.js';
import { reportProgress } from '../pipeline-report.js';
import { createServiceLogger } from '../service.js';
import type { Command } from '../verbs.js';

/** `tidegate ingest`: one pipeline until its source ends for good or the process is told to stop. */
export const ingest: Command = async (context) => {
  const { settings, io } = context;
  const line = io.stderr.isTTY === true ? new LiveLine(io.stderr) : undefined;
  const logger = createServiceLogger(context, io.stdout, above(line, io.stdout));
  const name = settings['pipeline.name'];
  const pipeline = createPipeline({
    name,
    source: await createSource(settings, io),
    ...intakeOf(settings),
    spool: { eventsMax: settings['spool.events'], bytesMax: settings['spool.bytes'] },
    sinks: createSinks({ settings, cwd: io.cwd, logger }),
    checkpoint: createFileCheckpointStore({ path: checkpointPath(settings, io.cwd), pipeline: name }),
    checkpointIntervalMs: settings['checkpoint.intervalMs'],
    logger,
  });
  using _report = reportProgress({ stats: () => pipeline.stats(), logger, line });
  throwIfFailed(await pipeline.run(io.signal));
};

/** @throws CliError `failed`, with the pipeline's own code in the sentence. */
export function throwIfFailed(outcome: PipelineOutcome): void {
  if (outcome.kind === 'failed') throw new CliError('failed', `${outcome.message} (${outcome.code})`);
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
