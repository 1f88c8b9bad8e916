import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Recorded public streams beside the project; not part of it, and everything works without. */
const FOLDER = resolve('..', 'shared', 'data');

export const hasRecordedData = existsSync(FOLDER);

/** In the name of every test that needs it: the one skip that CI excuses. */
export const RECORDED = '[recorded data]';

export function recordedFile(...path: readonly string[]): Buffer {
  return readFileSync(join(FOLDER, ...path));
}

export function recordedPath(...path: readonly string[]): string {
  return join(FOLDER, ...path);
}

/** Every recorded SSE body, by name. */
export function recordedStreams(): readonly (readonly [name: string, bytes: Buffer])[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sse'))
    .map((name) => [name, recordedFile(name)] as const);
}
