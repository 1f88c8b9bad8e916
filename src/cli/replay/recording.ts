import { createReadStream } from 'node:fs';
import { quote } from '../../protocol/index.js';
import { CliError } from '../errors.js';
import { fileFault, formatSize } from '../config/index.js';
import { splitBlocks } from './block.js';
import type { Block, Chunk } from './block.js';

/** The first line of a recording (JSONL); every further line is a {@link RecordedChunk}. */
export interface RecordingHeader {
  readonly tidegate: 'recording';
  readonly version: 1;
  /** Without userinfo and query, which may be secret. */
  readonly url: string;
  readonly status: number;
  readonly contentType: string;
  /** RFC 3339. */
  readonly startedAt: string;
}

/** Bytes as they arrived: as text, or in base64 where they are no UTF-8 by themselves. */
type RecordedChunk = { readonly ms: number; readonly text: string } | { readonly ms: number; readonly base64: string };

const RECORDING_START = '{"tidegate":"recording",';
/** A file is read as a whole; a larger one is refused. */
const FILE_BYTES_MAX = 512 * 1024 * 1024;

/** `bytes`, which came `ms` after the start, as a line of a recording. */
export function formatChunk(bytes: Uint8Array, ms: number): string {
  const text = decodeStrictly(bytes);
  const chunk: RecordedChunk =
    text === undefined ? { ms, base64: Buffer.from(bytes).toString('base64') } : { ms, text };
  return `${JSON.stringify(chunk)}\n`;
}

export function formatHeader(header: Omit<RecordingHeader, 'tidegate' | 'version'>): string {
  const line: RecordingHeader = { tidegate: 'recording', version: 1, ...header };
  return `${JSON.stringify(line)}\n`;
}

export interface Recording {
  readonly blocks: readonly Block[];
  /** Whether the blocks have times. */
  readonly isTimed: boolean;
}

/**
 * Reads a recording, or any SSE body, of up to `bytesMax` bytes (default 512 MiB).
 * @throws CliError `unreadable-file`: not there, too large, no complete block in it, a bad line.
 */
export async function readRecording(path: string, { bytesMax = FILE_BYTES_MAX } = {}): Promise<Recording> {
  const bytes = await readBounded(path, bytesMax);
  const isTimed = isRecordingStart(bytes.toString('latin1', 0, RECORDING_START.length));
  const blocks = splitBlocks(isTimed ? readChunks(bytes.toString(), path) : [{ bytes }]);
  if (blocks.some((block) => block.isEvent)) return { blocks, isTimed };
  throw new CliError('unreadable-file', `Cannot replay ${quote(path)}: there is no complete event in it`);
}

/** Counts what is read: of a pipe or a device, the size that the system tells is 0. */
async function readBounded(path: string, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new CliError('unreadable-file', `Cannot read ${quote(path)}: ${fileFault(error)}`, { cause: error });
  }
  if (bytes <= bytesMax) return Buffer.concat(chunks);
  throw new CliError('unreadable-file', `Cannot read ${quote(path)}: it is larger than ${formatSize(bytesMax)}`);
}

/** Whether a text begins a recording: no SSE body that means anything begins with this field. */
export function isRecordingStart(text: string): boolean {
  return text.startsWith(RECORDING_START);
}

function readChunks(text: string, path: string): readonly Chunk[] {
  const lines = text.split('\n');
  // A recording that was killed ends in half a line: what came before it is good.
  lines.pop();
  checkVersion(lines[0] ?? '', path);
  return lines.slice(1).map((line, index) => readChunk(line, `${path}:${index + 2}`));
}

function checkVersion(line: string, path: string): void {
  const header = parseLine(line, `${path}:1`) as Partial<RecordingHeader>;
  if (header.version === 1) return;
  const version = JSON.stringify(header.version);
  throw new CliError('unreadable-file', `Cannot replay ${quote(path)}: its version is ${version}, and only 1 is known`);
}

function readChunk(line: string, where: string): Chunk {
  const { ms, text, base64 } = parseLine(line, where) as { ms?: unknown; text?: unknown; base64?: unknown };
  if (typeof ms === 'number' && ms >= 0) {
    if (typeof text === 'string') return { bytes: Buffer.from(text), atMs: ms };
    if (typeof base64 === 'string') return { bytes: Buffer.from(base64, 'base64'), atMs: ms };
  }
  throw new CliError('unreadable-file', `Cannot read ${where}: it is no chunk of a recording`);
}

function parseLine(line: string, where: string): object {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below, with the place.
  }
  throw new CliError('unreadable-file', `Cannot read ${where}: it is no JSON object`);
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeStrictly(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
