import { pino } from 'pino';
import { createPrettyDestination } from './pretty-log.js';

/** The levels, from most to least talkative; each shows itself and everything after it. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** What a module writes its log to. Fields come first, the sentence second; pino fits as it is. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger whose every line carries `bindings` too. */
  child(bindings: object): Logger;
}

/** Where lines go; a Node stream fits. */
export interface LogDestination {
  write(text: string): unknown;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `json`: a JSON object a line, for machines. `pretty`: a short line for people. */
  readonly format: LogFormat;
  /** Default: standard output. */
  readonly destination?: LogDestination;
  /** Whether `pretty` may use colour (default false). */
  readonly isColoured?: boolean;
}

const SECRETS = ['authorization', 'Authorization', 'cookie', 'Cookie', '["set-cookie"]', 'token', 'secret', 'password'];

/** Each secret key at the top and up to two objects down, which is as deep as our fields go. */
const SECRET_PATHS = SECRETS.flatMap((key) => {
  const step = key.startsWith('[') ? key : `.${key}`;
  return [key, `*${step}`, `*.*${step}`];
});

/**
 * A logger on pino. Values of keys that name a secret (`authorization`, `cookie`, `token`, …) are
 * written as `[redacted]`. Errors are written as `{name, code, message}`, with the stack at `debug`.
 */
export function createLogger({ level, format, destination = process.stdout, isColoured }: LoggerOptions): Logger {
  const describe = (value: unknown): unknown => describeError(value, level === 'debug');
  return pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describe, error: describe, cause: describe },
      redact: { paths: SECRET_PATHS, censor: '[redacted]' },
    },
    format === 'pretty' ? createPrettyDestination(destination, isColoured ?? false) : toPlainDestination(destination),
  );
}

/** Without this wrapper pino would call `end` and listen on a stream that is not ours to end. */
function toPlainDestination(destination: LogDestination): LogDestination {
  return { write: (text) => destination.write(text) };
}

function describeError(value: unknown, withStack: boolean): unknown {
  if (!(value instanceof Error)) return value;
  const code: unknown = 'code' in value ? value.code : undefined;
  return {
    name: value.name,
    ...(code === undefined ? {} : { code }),
    message: value.message,
    ...(withStack && value.stack !== undefined ? { stack: value.stack } : {}),
  };
}
