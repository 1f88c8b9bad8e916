import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTemporaryFolder } from './temporary-folder.js';

export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Leaves room for nothing. */
  fill(): Promise<void>;
  /** Makes room again. */
  free(): Promise<void>;
}

const MOUNT = ['mount', '-t', 'tmpfs', '-o'] as const;
const NAME = 'tidegate-test';

/** A file system in memory of so many bytes, which really is full when it is. */
export async function mountSmallDisk(bytes: number): Promise<SmallDisk> {
  const folder = await createTemporaryFolder();
  run(...MOUNT, `size=${bytes},mode=0777`, NAME, folder.path);
  const filler = join(folder.path, '.filler');
  return {
    path: folder.path,
    fill: async () => {
      await using file = await open(filler, 'a');
      // Pages are given as a whole: what is smaller than the last one may still fit in.
      for (const size of [4096, 1]) {
        try {
          for (;;) await file.write(Buffer.alloc(size));
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        }
      }
    },
    free: () => rm(filler),
    async [Symbol.asyncDispose]() {
      run('umount', folder.path);
      await folder[Symbol.asyncDispose]();
    },
  };
}

type Prefix = readonly string[];

/** How this user may mount: as root, by sudo without a password, or not at all. */
const PREFIX: Prefix | undefined = ([[], ['sudo', '-n']] as const).find(canMount);

/** Whether a small disk can be made here. */
export const hasSmallDisk = PREFIX !== undefined;

function run(...command: readonly string[]): void {
  runAs(PREFIX ?? [], command);
}

function runAs(prefix: Prefix, command: readonly string[]): void {
  const [program = '', ...args] = [...prefix, ...command];
  const { status, stderr } = spawnSync(program, args);
  if (status !== 0) throw new Error(`Cannot run ${command.join(' ')}: ${String(stderr)}`);
}

function canMount(prefix: Prefix): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-'));
  try {
    runAs(prefix, [...MOUNT, 'size=4096', NAME, folder]);
    runAs(prefix, ['umount', folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(folder);
  }
}
