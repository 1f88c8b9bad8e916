import { resolve } from 'node:path';
import type { ReceivedEvent } from '../../ingest/index.js';
import type { PipelineSettings, Settings } from '../config/index.js';
import { CliError } from '../errors.js';
import { createFileSourceOf, createSource } from '../ingest-source.js';
import { writeFully } from '../io.js';
import { planPipeline } from '../plan/plan.js';
import type { PipelinePlan } from '../plan/plan.js';
import { renderPlan } from '../plan/render.js';
import { sampleFile, sampleLive } from '../plan/sample.js';
import { createServiceLogger } from '../service.js';
import { painter } from '../terminal.js';
import type { Command, CommandContext } from '../verbs.js';
import { createPipelineOf } from './ingest.js';

/** `tidegate plan`: says what `ingest` would do; nothing is written anywhere. */
export const plan: Command = async (context) => {
  const { settings, origins, io } = context;
  const alone: PipelineSettings = { name: settings['pipeline.name'], settings, origins };
  // What the parts would warn of when they run is among the plan's own warnings.
  const quiet = { ...context, settings: { ...settings, 'log.level': 'error' as const } };
  const logger = createServiceLogger(quiet, io.stderr);
  const plans: PipelinePlan[] = [];
  for (const pipeline of context.pipelines ?? [alone]) {
    // What cannot be made is refused here as by ingest.
    await createPipelineOf({ ...pipeline, io, logger });
    const sample = await takeSample(pipeline, context);
    plans.push(planPipeline(pipeline, { cwd: io.cwd, shards: settings.shards, sample, now: Date.now() }));
  }
  const paint = painter(io.stdout, io.env);
  const text = settings.json
    ? `${JSON.stringify({ pipelines: plans })}\n`
    : plans.map((one) => renderPlan(one, paint)).join('\n');
  await writeFully(io.stdout, text);
  const warnings = plans.reduce((sum, one) => sum + one.warnings.length, 0);
  if (settings.strict && warnings > 0) throw new CliError('failed', `There are ${warnings} warnings`);
};

async function takeSample(
  { settings: own }: PipelineSettings,
  context: CommandContext,
): Promise<readonly ReceivedEvent[] | undefined> {
  const { settings, io } = context;
  const logger = createServiceLogger({ ...context, settings: { ...settings, 'log.level': 'warn' } }, io.stderr);
  const limits = { events: settings.events ?? 1000, seconds: settings.seconds ?? 10 };
  const options = { limits, logger, signal: io.signal };
  if (settings.sample !== undefined) {
    const path = resolve(io.cwd, settings.sample);
    const whole: Settings = { ...own, 'source.growing': false };
    return sampleFile(
      path,
      { format: own['source.format'], open: (format) => createFileSourceOf(whole, path, format) },
      options,
    );
  }
  if (!settings.live) return undefined;
  return sampleLive(await createSource(own, io), options);
}
