import { existsSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { systemClock } from '../../base/index.js';
import { createEventParser, quote } from '../../protocol/index.js';
import { formatSize } from '../config/index.js';
import type { Settings } from '../config/index.js';
import { CliError } from '../errors.js';
import { readHeaders } from '../headers.js';
import type { Io } from '../io.js';
import { LiveLine } from '../live-line.js';
import { formatChunk, formatHeader } from '../replay/index.js';
import type { Command } from '../verbs.js';

/** Recording at most this often changes the line on the terminal. */
const SHOW_EVERY_MS = 200;

/** `tidegate record URL FILE`: until a bound is reached, the stream ends, or Ctrl-C; all of them are success. */
export const record: Command = async ({ settings, args, io }) => {
  const [url = '', file = ''] = args;
  const path = resolve(io.cwd, file);
  checkUrl(url);
  if (existsSync(path) && !settings.force)
    throw new CliError('file-exists', `Cannot record to ${quote(file)}: it exists; --force overwrites it`);
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  io.signal.addEventListener('abort', abort);
  const cancel = settings.seconds === undefined ? () => {} : systemClock.after(settings.seconds * 1000, abort);
  try {
    const response = await open(url, await readHeaders(settings, io.cwd), stop.signal);
    if (response === undefined) return;
    await using output = await openFile(path, settings.force);
    const tally = await recordBody(response, { output, settings, io, url, stop });
    io.stderr.write(`recorded ${tally.events} events, ${formatSize(tally.bytes)}, to ${file}\n`);
    if (tally.lost !== undefined) io.stderr.write(`the connection was lost: ${tally.lost}\n`);
  } finally {
    cancel();
    io.signal.removeEventListener('abort', abort);
  }
};

function checkUrl(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (!['http:', 'https:'].includes(protocol))
    throw new CliError('bad-value', `Cannot record ${quote(url)}: it must be an http:// or https:// URL`);
}

/** Undefined where it was stopped before there was an answer. */
async function open(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response | undefined> {
  const target = new URL(url);
  const shown = withoutSecrets(url);
  const credentials = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`;
  const authorization =
    credentials === ':' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  target.username = '';
  target.password = '';
  try {
    const init = { headers: { accept: 'text/event-stream', ...authorization, ...headers }, signal };
    const response = await fetch(target, init);
    if (response.ok && response.status !== 204) return response;
    await response.body?.cancel();
    throw new CliError('failed', `Cannot record ${shown}: the server answered ${response.status}`);
  } catch (error) {
    if (signal.aborted) return undefined;
    if (error instanceof CliError) throw error;
    throw new CliError('failed', `Cannot record ${shown}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Userinfo and query go: tokens are in them. */
function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

async function openFile(path: string, force: boolean): Promise<FileHandle> {
  try {
    return await openHandle(path, force ? 'w' : 'wx');
  } catch (error) {
    throw new CliError('failed', `Cannot write ${quote(path)}: ${reasonOf(error)}`, { cause: error });
  }
}

async function write(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text);
  } catch (error) {
    throw new CliError('failed', `Cannot write the recording: ${reasonOf(error)}`, { cause: error });
  }
}

interface RecordContext {
  readonly output: FileHandle;
  readonly settings: Settings;
  readonly io: Io;
  readonly url: string;
  readonly stop: AbortController;
}

interface Tally {
  events: number;
  bytes: number;
  /** Why the connection broke, where nobody asked for it. */
  lost: string | undefined;
}

async function recordBody(response: Response, { output, settings, io, url, stop }: RecordContext): Promise<Tally> {
  const tally: Tally = { events: 0, bytes: 0, lost: undefined };
  const eventsMax = settings.events ?? Number.POSITIVE_INFINITY;
  const parser = createEventParser({ onEvent: () => (tally.events += 1) });
  const show = createProgress(io);
  const startedAt = systemClock.now();
  await write(output, describe(response, url, startedAt));
  try {
    for await (const chunk of response.body ?? []) {
      parser.push(chunk);
      tally.bytes += chunk.length;
      // Whole chunks only: what was recorded is what arrived, so a few events more may be in it.
      await write(output, formatChunk(chunk, systemClock.now() - startedAt));
      show(tally);
      if (tally.events >= eventsMax) stop.abort();
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (!stop.signal.aborted) tally.lost = reasonOf(error);
  }
  show(undefined);
  return tally;
}

function describe(response: Response, url: string, startedAt: number): string {
  return formatHeader({
    url: withoutSecrets(url),
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    startedAt: new Date(startedAt).toISOString(),
  });
}

/** Shows the tally on a terminal; undefined takes the line away. */
function createProgress({ stderr }: Io): (tally: Tally | undefined) => void {
  if (stderr.isTTY !== true) return () => {};
  const line = new LiveLine(stderr);
  let shownAt = 0;
  return (tally) => {
    if (tally === undefined) return line.clear();
    const now = systemClock.now();
    if (now - shownAt < SHOW_EVERY_MS) return;
    shownAt = now;
    line.show(`recording: ${tally.events} events, ${formatSize(tally.bytes)}; Ctrl-C ends it`);
  };
}

/** What lies beneath "fetch failed". */
function reasonOf(error: unknown): string {
  const beneath = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return beneath instanceof Error ? beneath.message : String(beneath);
}
