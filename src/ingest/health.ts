import type { ClaimsState } from './leases/claims.js';
import type { PipelineState, PipelineStatus } from './pipeline-keeper.js';

/** What is wrong with a pipeline. */
export type Complaint =
  /** Its source was silent for longer than it may be. */
  | 'silent'
  /** Its last run failed, and it is tried again or was given up. */
  | 'failed';

export interface PipelineHealth {
  readonly state: PipelineState;
  readonly isConnected: boolean;
  /** Milliseconds since the source was heard of, or since the run began; undefined where it does not run. */
  readonly silentMs?: number;
  readonly complaint?: Complaint;
  /** The code of the failure. */
  readonly code?: string;
}

export interface HealthReport {
  readonly isHealthy: boolean;
  readonly pipelines: Readonly<Record<string, PipelineHealth>>;
}

/** Whether every pipeline does what it is there for, as far as this process has it. */
export function judgeHealth(statuses: readonly PipelineStatus[], now: number): HealthReport {
  const pipelines = statuses.map((status) => [status.name, judgeOne(status, now)] as const);
  return {
    isHealthy: pipelines.every(([, { complaint }]) => complaint === undefined),
    pipelines: Object.fromEntries(pipelines),
  };
}

/**
 * Whether the process does its work: each pipeline has opened its sinks, has ended, was tried in vain (which is a
 * matter of health), or waits for a lease that another worker may have.
 */
export function isReady(statuses: readonly PipelineStatus[], claims: ClaimsState | undefined): boolean {
  if (claims?.isConnected === false) return false;
  return statuses.every(({ state, stats, failures }) => {
    if (state === 'ended' || failures > 0) return true;
    return state === 'waiting' ? claims !== undefined : stats?.isOpen === true;
  });
}

/** Milliseconds since the source of a pipeline that runs was heard of, or since the run began. */
export function silentForMs({ state, stats, startedAt }: PipelineStatus, now: number): number | undefined {
  if (state !== 'running' || startedAt === undefined) return undefined;
  return Math.max(0, now - Math.max(stats?.heardAt ?? 0, startedAt));
}

function judgeOne(status: PipelineStatus, now: number): PipelineHealth {
  const { state, stats, failure, silenceMs } = status;
  const silentMs = silentForMs(status, now);
  const isSilent = silenceMs > 0 && silentMs !== undefined && silentMs > silenceMs;
  const complaint = failure === undefined ? (isSilent ? 'silent' : undefined) : 'failed';
  return {
    state,
    isConnected: state === 'running' && stats?.source.isConnected === true,
    ...(silentMs === undefined ? {} : { silentMs }),
    ...(complaint === undefined ? {} : { complaint }),
    ...(failure === undefined ? {} : { code: failure.code }),
  };
}
