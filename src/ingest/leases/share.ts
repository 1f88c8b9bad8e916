/** What a worker has, as it said last. */
export interface WorkerLoad {
  readonly worker: string;
  /** Pipelines whose lease it has. */
  readonly held: number;
  /** Pipelines that it would run, too. */
  readonly waiting: number;
}

/** How many of `pipelines` are `worker`'s: those of all workers together are all of them, if they agree on who lives. */
export function shareOf(worker: string, workers: readonly WorkerLoad[], pipelines: number): number {
  const rank = workers.filter((other) => other.worker < worker).length;
  const count = Math.max(1, workers.length);
  return Math.floor(pipelines / count) + (rank < pipelines % count ? 1 : 0);
}

/** Whether some worker has fewer than its share and would take more. */
export function isAnyoneShort(workers: readonly WorkerLoad[], pipelines: number): boolean {
  return workers.some(({ worker, held, waiting }) => waiting > 0 && held < shareOf(worker, workers, pipelines));
}
