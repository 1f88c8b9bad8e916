import { createLogger, readListenAddress } from '../runtime/index.js';
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

export interface StopSource extends Disposable {
  /** Aborts when the process is told to stop, by SIGHUP too. */
  readonly signal: AbortSignal;
}

/** For a service that reads nothing again: the SIGHUP of a closed terminal would end it at once, without a drain. */
export function stopAlsoOnHangup(io: Io): StopSource {
  const hangup = new AbortController();
  const listening = io.onHangup?.(() => hangup.abort());
  return {
    signal: AbortSignal.any([io.signal, hangup.signal]),
    [Symbol.dispose]: () => listening?.[Symbol.dispose](),
  };
}

/** Writes one line for people; with `io.stdout` as a pipe it stays as plain. */
export function say(io: Io, text: string): void {
  io.stdout.write(`${text}\n`);
}

/** What listening threw, as one sentence. */
export function explainListen(error: unknown, host: string, port: number): CliError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const address = readListenAddress(host);
  const isUnix = address.kind === 'unix';
  const reason = (isUnix ? SOCKET_REASONS : LISTEN_REASONS)[code] ?? code;
  const place = isUnix ? host : `${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`;
  return new CliError('failed', `Cannot listen on ${place}: ${reason}`, { cause: error });
}

export function isPortInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

const SOCKET_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process answers there; stop it or choose another path',
  ENOTSOCK: 'that file exists and is no socket',
  ENOENT: 'its folder does not exist',
  EACCES: 'its folder may not be written to',
  ENAMETOOLONG: 'the path is empty or too long',
};

const LISTEN_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; --port 0 takes any free one',
  EACCES: 'the port needs more rights; ports from 1024 up do not',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'there is no such host',
};
