import { createHttpSink, createRedisSink, createStdoutSink } from '../ingest/index.js';
import type { PipelineSink, RedisTarget } from '../ingest/index.js';
import { readWebhookSecret } from '../runtime/index.js';
import type { Settings } from './config/index.js';
import type { SinksOptions } from './dead-letters.js';
import { CliError } from './errors.js';
import { toHeaders } from './headers.js';
import { writeFully } from './io.js';
import type { Output } from './io.js';
import { readSecretFile } from './setting-file.js';

/**
 * The sinks to Redis, to an HTTP endpoint and to standard output that `settings` ask for.
 * @throws CliError `unreadable-file`, `bad-value`; no message shows a secret.
 */
export async function createOtherSinks(
  options: SinksOptions & { readonly stdout: Output },
): Promise<readonly PipelineSink[]> {
  const { settings, stdout } = options;
  const sinks: PipelineSink[] = [];
  const url = settings['sink.redis.url'];
  const target = redisTarget(settings);
  if (url !== undefined && target !== undefined) {
    const timeoutMs = settings['sink.redis.timeoutMs'];
    const sink = createRedisSink({ url, target, format: settings.format, timeoutMs });
    sinks.push({ sink, onFull: settings['sink.redis.onFull'] });
  }
  const http = await createHttpSinkTo(options);
  if (http !== undefined) sinks.push(http);
  if (settings['sink.stdout'])
    sinks.push({ sink: createStdoutSink({ write: (text) => writeFully(stdout, text), format: settings.format }) });
  return sinks;
}

function redisTarget(settings: Settings): RedisTarget | undefined {
  const [key, channel] = [settings['sink.redis.stream'], settings['sink.redis.channel']];
  if (key !== undefined) return { kind: 'stream', key, entriesMax: settings['sink.redis.entries'] };
  return channel === undefined ? undefined : { kind: 'channel', channel };
}

async function createHttpSinkTo({ settings, cwd, deadLetters }: SinksOptions): Promise<PipelineSink | undefined> {
  const url = settings['sink.http.url'];
  if (url === undefined) return undefined;
  const secret = settings['sink.http.secret'] ?? (await readSecretFile(settings, 'sink.http.secretFile', cwd));
  if (secret !== undefined) checkSecret(secret);
  const sink = createHttpSink({
    url,
    deadLetters: deadLetters(),
    ...(secret === undefined ? {} : { secret }),
    headers: toHeaders(settings['sink.http.headers']),
    format: settings['sink.http.format'],
    batch: {
      eventsMax: settings['sink.http.events'],
      bytesMax: settings['sink.http.bytes'],
      waitMs: settings['sink.http.waitMs'],
    },
    timeoutMs: settings['sink.http.timeoutMs'],
  });
  return { sink, onFull: settings['sink.http.onFull'] };
}

function checkSecret(secret: string): void {
  try {
    readWebhookSecret(secret);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError('bad-value', `${reason} (sink.http.secret)`, { cause: error });
  }
}
