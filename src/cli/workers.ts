import cluster from 'node:cluster';
import type { Worker as Child } from 'node:cluster';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import { createBackoff, sleep, systemClock } from '../base/index.js';
import type { Logger } from '../runtime/index.js';
import { CliError } from './errors.js';
import { untilAborted } from './service.js';

/** What a child is to be; sent to it when it asks. */
export interface Assignment {
  readonly role: 'primary' | 'worker';
  /** The Unix socket between them. */
  readonly primaryPath: string;
  /** The port to listen on; later workers get that of the first. */
  readonly port: number;
}

/** What a child says: that it wants to know what it is to be, or that it does its work. */
type ChildMessage = { readonly kind: 'ask' } | ({ readonly kind: 'ready' } & Readiness);

export interface Readiness {
  /** Of a worker, where it listens. */
  readonly url?: string;
  readonly port?: number;
}

export interface SuperviseOptions {
  readonly workers: number;
  readonly port: number;
  /** How long workers may take to send their subscribers away. */
  readonly drainMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly onListening: (url: string) => void;
}

/** Whether this process was forked by {@link supervise}. */
export const isChild = (): boolean => cluster.isWorker;

/** Resolves in a child with what it is to be. */
export function receiveAssignment(): Promise<Assignment> {
  return new Promise((resolve) => {
    process.once('message', (message) => resolve(message as Assignment));
    // A message that comes before anybody listens is lost, so the child speaks first.
    tell({ kind: 'ask' });
  });
}

/** Tells the supervisor that this child does its work. */
export function reportReady(readiness: Readiness = {}): void {
  tell({ kind: 'ready', ...readiness });
}

function tell(message: ChildMessage): void {
  process.send?.(message);
}

/** Resolves in a child when its supervisor has let go of it, or is gone. */
export function untilReleased(): Promise<unknown> {
  return new Promise((resolve) => process.once('disconnect', resolve));
}

export function countWorkers(setting: string): number {
  return setting === 'auto' ? availableParallelism() : Number(setting);
}

/** What is left of a drain that takes too long. */
const STOP_GRACE_MS = 5000;
/** A child that worked for so long was well: the next failure is a new one. */
const HEALTHY_MS = 10_000;

/**
 * Runs a hub as one primary and several workers, until `signal` aborts. A worker that dies is replaced, and nobody
 * else notices; where the primary dies, history is gone, so all are restarted, and clients are told by a gap.
 * @throws CliError where they cannot even start.
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-'));
  try {
    await new Supervisor(options, folder).run();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class Supervisor {
  readonly #options: SuperviseOptions;
  readonly #folder: string;
  readonly #backoff = createBackoff({ baseMs: 200 });
  readonly #workers = new Set<Child>();
  #generation = 0;
  #port: number;
  /** Where the first worker listens; until then none is replaced. */
  #url = '';

  constructor(options: SuperviseOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#port = options.port;
  }

  async run(): Promise<void> {
    const { signal, logger } = this.#options;
    // Each worker accepts for itself. Handed out in turn, a connection would wait until the worker before has
    // said that it took the last: one turn of a busy loop each.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const primary = await this.#fork('primary');
      if (primary === undefined)
        throw new CliError('failed', 'Cannot start: the process that orders events ended at once');
      const primaryGone = gone(primary);
      const isUp = await this.#startWorkers();
      if (isFirst && !isUp && !signal.aborted) {
        primary.disconnect();
        throw new CliError('failed', 'Cannot start: the workers ended at once');
      }
      // Told to stop meanwhile, it may have no worker that listens.
      if (isFirst && isUp) this.#options.onListening(this.#url);
      await Promise.race([primaryGone, untilAborted(signal)]);
      if (signal.aborted) return this.#stop(primary, primaryGone);
      logger.error({ pid: primary.process.pid }, 'The process that orders events is gone: all restart, in a new epoch');
      await this.#endWorkers(STOP_GRACE_MS);
      await this.#pause();
    }
  }

  /** One first: where it cannot listen, nor could the others. */
  async #startWorkers(): Promise<boolean> {
    const first = await this.#fork('worker');
    if (first === undefined) return false;
    await Promise.all(Array.from({ length: this.#options.workers - 1 }, () => this.#fork('worker')));
    return true;
  }

  /** Resolves when the child does its work; undefined where it ended before. */
  async #fork(role: Assignment['role']): Promise<Child | undefined> {
    if (role === 'primary') this.#generation += 1;
    const child = cluster.fork();
    const startedMs = performance.now();
    const generation = this.#generation;
    if (role === 'worker') {
      this.#workers.add(child);
      void gone(child).then(() => this.#workerGone(child, { generation, startedMs }));
    }
    const primaryPath = join(this.#folder, `${generation}.sock`);
    const assignment: Assignment = { role, primaryPath, port: this.#port };
    const readiness = await Promise.race([introduce(child, assignment), gone(child)]);
    if (readiness === undefined) return undefined;
    this.#port = readiness.port ?? this.#port;
    this.#url = readiness.url ?? this.#url;
    return child;
  }

  async #workerGone(
    child: Child,
    { generation, startedMs }: { readonly generation: number; readonly startedMs: number },
  ): Promise<void> {
    this.#workers.delete(child);
    const { signal, logger } = this.#options;
    const isWanted = (): boolean => !signal.aborted && this.#url !== '' && generation === this.#generation;
    if (!isWanted()) return;
    if (performance.now() - startedMs > HEALTHY_MS) this.#backoff.reset();
    const { exitCode, signalCode, pid } = child.process;
    logger.warn({ pid, exitCode, signal: signalCode }, 'A worker is gone and is replaced');
    await this.#pause();
    if (isWanted()) await this.#fork('worker');
  }

  async #pause(): Promise<void> {
    await sleep(this.#backoff.nextMs(), this.#options.signal, systemClock);
  }

  async #stop(primary: Child, primaryGone: Promise<unknown>): Promise<void> {
    await this.#endWorkers(this.#options.drainMs * 2 + STOP_GRACE_MS);
    if (primary.isConnected()) primary.disconnect();
    await primaryGone;
  }

  async #endWorkers(withinMs: number): Promise<void> {
    const workers = [...this.#workers];
    const all = Promise.all(workers.map((worker) => gone(worker)));
    for (const worker of workers) worker.process.kill('SIGTERM');
    const timer = setTimeout(() => {
      for (const worker of workers) worker.process.kill('SIGKILL');
    }, withinMs);
    await all;
    clearTimeout(timer);
  }
}

/** Tells the child what it is to be; resolves when it does it. */
function introduce(child: Child, assignment: Assignment): Promise<Readiness> {
  return new Promise((resolve) => {
    child.on('message', (message: ChildMessage) => {
      if (message.kind === 'ask') child.send(assignment);
      else resolve(message);
    });
  });
}

/** Resolves, with nothing, when the process has ended. */
function gone(child: Child): Promise<undefined> {
  if (child.process.exitCode !== null || child.process.signalCode !== null) return Promise.resolve(undefined);
  return new Promise((resolve) => child.process.once('exit', () => resolve(undefined)));
}
