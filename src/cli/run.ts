import { loadSettings } from './config/index.js';
import type { Loaded } from './config/index.js';
import { CliError, EXIT, exitCodeOf } from './errors.js';
import type { ExitCode } from './errors.js';
import type { Io } from './io.js';
import {
  checkLegacyIngest,
  isLegacyIngest,
  LEGACY_HELP,
  missingOfLegacy,
  translateLegacyIngest,
} from './legacy-ingest.js';
import { parseCommandLine } from './program.js';
import { painter, printable } from './terminal.js';
import { VERB_TABLE } from './verbs.js';
import { readVersion } from './version.js';

/**
 * Runs one command line (without the program's name) and returns its exit code: 0, 1 for a failure,
 * 2 for a usage error. Never throws; what went wrong is one sentence on `io.stderr`, with the stack
 * only where the log level is `debug`.
 */
export async function runCli(argv: readonly string[], io: Io): Promise<ExitCode> {
  let isDebug = false;
  let isRead = false;
  const isLegacy = isLegacyIngest(argv);
  try {
    const style = { columns: Math.min(io.stdout.columns || 100, 120), paint: painter(io.stdout, io.env) };
    const invocation = parseCommandLine(translateLegacyIngest(argv), { version: readVersion(), style });
    isRead = true;
    if (invocation.kind === 'print') {
      io.stdout.write(invocation.text);
      return EXIT.ok;
    }
    const { verb, args, flags } = invocation;
    const reload = (): Loaded => loadSettings({ verb, flags, env: io.env, cwd: io.cwd });
    const { settings, origins, pipelines, warnings } = reload();
    isDebug = settings['log.level'] === 'debug';
    if (isLegacy) checkLegacyIngest(settings);
    for (const warning of warnings) io.stderr.write(`${painter(io.stderr, io.env)('yellow', 'note')} ${warning}\n`);
    const command = await VERB_TABLE[verb].load();
    await command({ settings, origins, pipelines, reload, args, io });
    return EXIT.ok;
  } catch (error) {
    if (!isLegacy || !(error instanceof CliError) || error.code !== 'missing-value') return report(error, io, isDebug);
    // Whoever types that system's flags expects its answer to a missing one: the help, and 1.
    report((isRead ? missingOfLegacy(argv) : undefined) ?? error, io, isDebug);
    io.stderr.write(`\n${LEGACY_HELP}`);
    return EXIT.failure;
  }
}

function report(error: unknown, io: Io, isDebug: boolean): ExitCode {
  const paint = painter(io.stderr, io.env);
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const sentence = error instanceof Error ? error.message : String(error);
  const suffix = code === undefined ? '' : paint('dim', ` [${code}]`);
  io.stderr.write(`${paint('red', 'error')} ${printable(sentence)}${suffix}\n`);
  if (isDebug && error instanceof Error) io.stderr.write(`${error.stack}\n`);
  return exitCodeOf(error);
}
