import { resolve } from 'node:path';
import type { Settings } from '../config/index.js';
import { LiveLine } from '../live-line.js';
import { readRecording, startReplay } from '../replay/index.js';
import type { Recording, ReplayOptions, ReplayStats } from '../replay/index.js';
import { withoutBrackets } from '../../runtime/index.js';
import { explainListen, say, untilAborted } from '../service.js';
import { painter } from '../terminal.js';
import type { Command } from '../verbs.js';

/** Events a second of a body that has no times of its own. */
const PLAIN_RATE = 10;
const SHOW_EVERY_MS = 500;

/** `tidegate replay FILE`: serves the file as a stream until Ctrl-C. */
export const replay: Command = async ({ settings, args: [file = ''], io }) => {
  const recording = await readRecording(resolve(io.cwd, file));
  await using server = await startReplay(toOptions(recording, settings)).catch((error: unknown) => {
    throw explainListen(error, settings['http.host'], settings['http.port']);
  });
  const paint = painter(io.stdout, io.env);
  say(io, `Replaying ${recording.blocks.filter((block) => block.isEvent).length} events of ${file}`);
  say(io, `  ${paint('bold', server.url)}`);
  say(io, paint('dim', `  try: curl -N ${server.url}`));
  const line = io.stderr.isTTY === true ? new LiveLine(io.stderr) : undefined;
  const timer = line === undefined ? undefined : setInterval(() => line.show(formatStats(server.stats)), SHOW_EVERY_MS);
  await untilAborted(io.signal);
  clearInterval(timer);
  line?.clear();
};

function toOptions({ blocks, isTimed }: Recording, settings: Settings): ReplayOptions {
  return {
    blocks,
    host: withoutBrackets(settings['http.host']),
    port: settings['http.port'],
    rate: parseRate(settings.rate, isTimed),
    isLooping: settings.loop,
    end: settings.end,
    faults: { kinds: settings.faults, rate: settings.faultRate, seed: settings.seed },
    stallMs: settings.stallMs,
    heartbeatMs: settings.heartbeatMs,
  };
}

function parseRate(text: string | undefined, isTimed: boolean): number | 'max' | 'recorded' {
  if (text === undefined) return isTimed ? 'recorded' : PLAIN_RATE;
  return text === 'max' ? text : Number(text);
}

function formatStats({ open, events, cuts, refused, stalls, duplicates }: ReplayStats): string {
  const faults = cuts + refused + stalls + duplicates;
  return `${open} connected, ${events} events sent${faults === 0 ? '' : `, ${faults} faults`}`;
}
