import { link, readFile, rename, rm } from 'node:fs/promises';
import { createFile } from '../runtime/index.js';
import { IngestError } from './errors.js';
import type { IngestErrorCode } from './errors.js';

export interface FileLock extends AsyncDisposable {
  release(): Promise<void>;
}

export interface FileLockOptions {
  /** Where the lock file goes. */
  readonly path: string;
  /** What is refused where somebody else holds it, such as `Cannot write to the archive`, and under which code. */
  readonly refusal: string;
  readonly code: IngestErrorCode;
}

interface Holder {
  readonly pid: number;
  /** When the process started, in the kernel's own count; empty where the system does not say. */
  readonly processStart: string;
}

/** Locks of this process: its own pid in a file says nothing, for a container's is the same after every restart. */
const heldHere = new Set<string>();

/**
 * Makes a lock file. One that a dead process left is taken over; the holder is looked for on this
 * machine only, so two machines on one network folder are not kept apart.
 * @throws IngestError with `code`: a live process holds it. Else the file system's own error.
 */
export async function lockFile(options: FileLockOptions): Promise<FileLock> {
  const { path } = options;
  if (heldHere.has(path)) throw locked(options, process.pid);
  heldHere.add(path);
  try {
    if (!(await tryCreate(path))) await takeOver(options);
  } catch (error) {
    heldHere.delete(path);
    throw error;
  }
  const release = async (): Promise<void> => {
    await rm(path, { force: true });
    heldHere.delete(path);
  };
  return { release, [Symbol.asyncDispose]: release };
}

async function tryCreate(path: string): Promise<boolean> {
  const holder: Holder = { pid: process.pid, processStart: await readProcessStart(process.pid) };
  // A lock must be whole from its first instant: written beside, then linked, which fails where one is there.
  const draft = `${path}.${process.pid}`;
  const file = await createFile(draft, 'w');
  try {
    await file.writeFile(JSON.stringify(holder));
    await file.close();
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function takeOver(options: FileLockOptions): Promise<void> {
  const { path } = options;
  const text = await readFile(path, 'utf8').catch(() => '');
  const holder = parseHolder(text);
  if (holder !== undefined && (await isAlive(holder))) throw locked(options, holder.pid);
  const stale = `${path}.stale-${process.pid}`;
  await rename(path, stale);
  const isSame = (await readFile(stale, 'utf8')) === text;
  // Somebody else was faster, and what we moved away is a live lock: it goes back.
  if (!isSame) await link(stale, path).catch(() => {});
  await rm(stale, { force: true });
  if (!isSame || !(await tryCreate(path))) throw locked(options, undefined);
}

function locked({ path, refusal, code }: FileLockOptions, pid: number | undefined): IngestError {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new IngestError(code, `${refusal}: ${who} holds ${path}`);
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, processStart } = JSON.parse(text) as Partial<Holder>;
    return typeof pid === 'number' && typeof processStart === 'string' ? { pid, processStart } : undefined;
  } catch {
    return undefined;
  }
}

async function isAlive({ pid, processStart }: Holder): Promise<boolean> {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there and somebody else's.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  const start = await readProcessStart(pid);
  return start === '' || processStart === '' || start === processStart;
}

/** Linux says when a process started: a pid that was given out again has another start. */
async function readProcessStart(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field, in parentheses, may hold spaces; the start is the 22nd.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
