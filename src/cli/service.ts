import { createLogger } from '../runtime/index.js';
import type { LogDestination, Logger } from '../runtime/index.js';
import { CliError } from './errors.js';
import type { Io, Output } from './io.js';
import { isColoured } from './terminal.js';
import type { CommandContext } from './verbs.js';

/** The logger of a service: JSON lines on standard output, or lines for people on a terminal. */
export function createServiceLogger(
  { settings, io }: CommandContext,
  output: Output = io.stdout,
  destination: LogDestination = output,
): Logger {
  const format = settings['log.format'] ?? (output.isTTY === true ? 'pretty' : 'json');
  const logger = createLogger({
    level: settings['log.level'],
    format,
    destination,
    isColoured: isColoured(output, io.env),
  });
  const name = settings['log.name'];
  return name === undefined ? logger : logger.child({ app: name });
}

/** Resolves when `signal` aborts. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Writes one line for people; with `io.stdout` as a pipe it stays as plain. */
export function say(io: Io, text: string): void {
  io.stdout.write(`${text}\n`);
}

/** What listening threw, as one sentence. */
export function explainListen(error: unknown, host: string, port: number): CliError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const reason = LISTEN_REASONS[code] ?? code;
  return new CliError('failed', `Cannot listen on ${host}:${port}: ${reason}`, { cause: error });
}

export function isPortInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

const LISTEN_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; --port 0 takes any free one',
  EACCES: 'the port needs more rights; ports from 1024 up do not',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'there is no such host',
};
