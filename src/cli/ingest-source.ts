import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import {
  createByteStreamSource,
  createFileSource,
  createNdjsonSource,
  createRedisChannelSource,
  createRedisStreamSource,
  createSseSource,
  createNdjsonFormat,
  SSE_FORMAT,
} from '../ingest/index.js';
import type { IntakeRules, PipelineOptions, Source, SseSourceOptions, StreamFormat } from '../ingest/index.js';

import type { Settings } from './config/index.js';
import { CliError } from './errors.js';
import { readHeaders } from './headers.js';
import type { Io } from './io.js';
import { readSecretFile, readSettingFile } from './setting-file.js';

type Surroundings = Pick<Io, 'cwd' | 'stdin'>;

/** Half a minute: longer than any sign-in takes, shorter than anybody would wait. */
const TOKEN_COMMAND_MS = 30_000;
const TOKEN_BYTES_MAX = 64 * 1024;
/** `body.sse`, compressed or not. */
const SSE_FILE = /\.sse(\.(gz|br|zst))?$/i;

/** Where a pipeline's events come from. @throws CliError, IngestError: it cannot be used like this. */
export async function createSource(settings: Settings, { cwd, stdin }: Surroundings): Promise<Source> {
  const { 'source.redis.url': redis = '', 'source.redis.stream': stream, 'source.redis.channel': channel } = settings;
  if (stream !== undefined) return createRedisStreamSource({ url: redis, stream, from: settings['source.redis.from'] });
  if (channel !== undefined) return createRedisChannelSource({ url: redis, channel });
  const [path, maxEventBytes] = [settings['source.file'], settings['source.maxEventBytes']];
  if (path !== undefined) return createFileSourceOf(settings, resolve(cwd, path), settings['source.format']);
  if (settings['source.stdin'])
    return createByteStreamSource({
      bytes: stdin,
      format: formatOf(settings, settings['source.format']),
      maxEventBytes,
    });
  const options = await httpOptions(settings, cwd);
  const fields = { idField: settings['source.idField'], typeField: settings['source.typeField'] };
  return settings['source.format'] === 'ndjson'
    ? createNdjsonSource({ ...options, ...fields })
    : createSseSource(options);
}

/** The file at `path`, read as `source.file` would be: without a format as its name says, lines where that says nothing. @throws IngestError it cannot be used like this. */
export function createFileSourceOf(settings: Settings, path: string, format: Settings['source.format']): Source {
  const [isGrowing, maxEventBytes] = [settings['source.growing'], settings['source.maxEventBytes']];
  const guessed = SSE_FILE.test(path) ? 'sse' : 'ndjson';
  return createFileSource({ path, format: formatOf(settings, format ?? guessed), isGrowing, maxEventBytes });
}

/** What becomes of events before they reach the spool. */
export function intakeOf(settings: Settings): IntakeRules & Pick<PipelineOptions, 'dedupe'> {
  const [types, key] = [settings['filter.types'], settings['dedupe.key']];
  return {
    ...(types.length === 0 ? {} : { types }),
    canary: settings['filter.canary'],
    match: settings['filter.match'],
    fields: { drop: settings['filter.dropFields'], mask: settings['filter.maskFields'] },
    dedupe: key === undefined ? undefined : { key, keysMax: settings['dedupe.keys'] },
  };
}

function formatOf(settings: Settings, format: Settings['source.format']): StreamFormat {
  if (format === 'sse') return SSE_FORMAT;
  return createNdjsonFormat({ idField: settings['source.idField'], typeField: settings['source.typeField'] });
}

async function httpOptions(settings: Settings, cwd: string): Promise<SseSourceOptions> {
  const { 'source.method': method, 'source.proxy': proxy, 'dedupe.key': key } = settings;
  const body = settings['source.body'] ?? (await readSettingFile(settings, 'source.bodyFile', cwd));
  const token = await tokenOf(settings, cwd);
  return {
    url: settings['source.url'] ?? '',
    headers: await readHeaders(settings, cwd),
    ...(method === undefined ? {} : { method }),
    ...(body === undefined ? {} : { body }),
    ...(token === undefined ? {} : { token }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(key === undefined ? {} : { key }),
    tls: await readTlsFiles(settings, cwd),
    startQuery: parametersOf(settings['source.startQuery']),
    resumeQuery: parametersOf(settings['source.resumeQuery']),
    acceptsCompression: settings['source.compression'],
    connectTimeoutMs: settings['source.connectTimeoutMs'],
    idleTimeoutMs: settings['source.idleTimeoutMs'],
    eventTimeoutMs: settings['source.eventTimeoutMs'],
    maxEventBytes: settings['source.maxEventBytes'],
    isFinite: settings['source.finite'],
    overlapMs: settings['source.overlapMs'],
    // A resume that goes back further than keys are remembered would bring events twice.
    overlapEvents: Math.floor(settings['dedupe.keys'] * 0.9),
    renewAfterMs: settings['source.renewAfterMs'],
  };
}

/** Read once here, so that a file that is not there stops the start. */
async function tokenOf(settings: Settings, cwd: string): Promise<SseSourceOptions['token'] | undefined> {
  const command = settings['source.tokenCommand'];
  if (command !== undefined) return (signal) => runTokenCommand(command, cwd, signal);
  if (settings['source.tokenFile'] === undefined) return undefined;
  const read = async (): Promise<string> => (await readSecretFile(settings, 'source.tokenFile', cwd))?.trim() ?? '';
  await read();
  return read;
}

async function runTokenCommand(command: string, cwd: string, signal: AbortSignal): Promise<string> {
  const limits = { cwd, signal, timeout: TOKEN_COMMAND_MS, maxBuffer: TOKEN_BYTES_MAX };
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command], limits).catch((error: unknown) => {
    // What it was and what it wrote may hold the secret.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'stopped';
    throw new CliError('failed', `Cannot get a token: source.tokenCommand failed (${code})`);
  });
  const token = stdout.trim();
  if (token === '') throw new CliError('failed', 'Cannot get a token: source.tokenCommand printed nothing');
  return token;
}

function parametersOf(items: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(items.map((item) => [item.slice(0, item.indexOf('=')), item.slice(item.indexOf('=') + 1)]));
}

async function readTlsFiles(settings: Settings, cwd: string): Promise<NonNullable<SseSourceOptions['tls']>> {
  const [ca, cert, key] = await Promise.all(
    (['source.tls.ca', 'source.tls.cert', 'source.tls.key'] as const).map((name) =>
      readSettingFile(settings, name, cwd),
    ),
  );
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
