import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import { openDiskSpool } from './open-disk-spool.js';
import { MemorySpool } from './spool.js';
import type { Spool, SpoolLimits, SpoolOptions } from './spool.js';

const DISK_BYTES_MAX = 1024 ** 3;
const SEGMENT_BYTES_MAX = 8 * 1024 * 1024;
/** A spool that is full gives space back by a part of it, not by all. */
const SEGMENTS_MIN = 4;

/** Where events wait for their sinks: in memory, or on disk with the newest of them in memory too. */
export interface PipelineSpool extends SpoolLimits {
  readonly disk?: {
    /** Made where it is missing; belongs to this pipeline alone. */
    readonly folder: string;
    /** Bytes of the files in it (default 1 GiB); then `onFull` decides. */
    readonly bytesMax?: number;
  };
}

export interface OpenSpoolOptions extends SpoolOptions, PipelineSpool {
  readonly pipeline: string;
  /** As `DiskSpoolOptions` has it. */
  readonly saveIntervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A spool in memory, or that of a folder with what the run before left in it. @throws IngestError as `openDiskSpool` does. */
// oxlint-disable-next-line typescript/require-await -- one of the two is asynchronous
export async function openSpool(options: OpenSpoolOptions): Promise<Spool> {
  const { disk } = options;
  if (disk === undefined) return new MemorySpool(options);
  const { folder, bytesMax: diskBytesMax = DISK_BYTES_MAX } = disk;
  const segmentBytes = Math.min(SEGMENT_BYTES_MAX, Math.ceil(diskBytesMax / SEGMENTS_MIN));
  return openDiskSpool({ ...options, folder, diskBytesMax, segmentBytes });
}
