import { existsSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { systemClock } from '../../base/index.js';
import { createHttpClient, USER_AGENT } from '../../ingest/index.js';
import type { HttpAnswer, HttpClient } from '../../ingest/index.js';
import { createEventParser, quote } from '../../protocol/index.js';
import { createFile } from '../../runtime/index.js';
import { formatSize } from '../config/index.js';
import type { Settings } from '../config/index.js';
import { CliError } from '../errors.js';
import { readHeaders } from '../headers.js';
import type { Io } from '../io.js';
import { LiveLine } from '../live-line.js';
import { formatChunk, formatHeader } from '../replay/index.js';
import type { Command } from '../verbs.js';

const CONNECT_TIMEOUT_MS = 10_000;
const HEADERS = { accept: 'text/event-stream', 'cache-control': 'no-store', 'user-agent': USER_AGENT };
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
  const http = createHttpClient({ connectTimeoutMs: CONNECT_TIMEOUT_MS });
  try {
    const ownHeaders = await readHeaders(settings, io.cwd);
    const answer = await open(http, url, { ownHeaders, signal: stop.signal });
    if (answer === undefined) {
      if (io.signal.aborted) return;
      throw cannotRecord(url, `no answer within ${settings.seconds} s`);
    }
    await using output = await openFile(path, settings.force);
    const tally = await recordBody(answer, { output, settings, io, url, stop });
    io.stderr.write(`recorded ${tally.events} events, ${formatSize(tally.bytes)}, to ${file}\n`);
    if (tally.lost !== undefined) io.stderr.write(`the connection was lost: ${tally.lost}\n`);
  } finally {
    await http.close();
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
  http: HttpClient,
  url: string,
  { ownHeaders, signal }: { readonly ownHeaders: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<HttpAnswer | undefined> {
  const answer = await http
    .open({ url: new URL(url), headers: HEADERS, ownHeaders, signal })
    .catch((error: unknown) => {
      if (signal.aborted) return undefined;
      throw cannotRecord(url, reasonOf(error), error);
    });
  const refusal = answer === undefined ? undefined : refusalOf(answer);
  if (refusal === undefined) return answer;
  answer?.discard();
  throw cannotRecord(url, refusal);
}

function refusalOf(answer: HttpAnswer): string | undefined {
  if (answer.status !== 200) return `the server answered ${answer.status}`;
  const coding = answer.header('content-encoding') ?? 'identity';
  return coding.toLowerCase() === 'identity' ? undefined : `the answer is coded (${coding})`;
}

function cannotRecord(url: string, reason: string, cause?: unknown): CliError {
  return new CliError('failed', `Cannot record ${withoutSecrets(url)}: ${reason}`, { cause });
}

/** Userinfo and query go: tokens are in them. */
function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

async function openFile(path: string, force: boolean): Promise<FileHandle> {
  try {
    return await createFile(path, force ? 'w' : 'wx');
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

async function recordBody(answer: HttpAnswer, { output, settings, io, url, stop }: RecordContext): Promise<Tally> {
  const tally: Tally = { events: 0, bytes: 0, lost: undefined };
  const eventsMax = settings.events ?? Number.POSITIVE_INFINITY;
  const parser = createEventParser({ onEvent: () => (tally.events += 1) });
  const show = createProgress(io);
  const startedAt = systemClock.now();
  await write(output, describe(answer, url, startedAt));
  try {
    for await (const chunk of answer.body) {
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

function describe(answer: HttpAnswer, url: string, startedAt: number): string {
  return formatHeader({
    url: withoutSecrets(url),
    status: answer.status,
    contentType: answer.header('content-type') ?? '',
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
