import { join, resolve } from 'node:path';
import type { Settings } from './config/index.js';

/** A `PipelineSpool` of which every bound is known. */
interface SpoolOptions {
  readonly eventsMax: number;
  readonly bytesMax: number;
  readonly disk?: { readonly folder: string; readonly bytesMax: number };
}

/** Where events of the pipeline of `settings` wait for its sinks: in memory, or in a folder of its name below `spool.dir`. */
export function spoolOf(settings: Settings, cwd: string): SpoolOptions {
  const limits = { eventsMax: settings['spool.events'], bytesMax: settings['spool.bytes'] };
  const parent = settings['spool.dir'];
  if (parent === undefined) return limits;
  const folder = join(resolve(cwd, parent), settings['pipeline.name']);
  return { ...limits, disk: { folder, bytesMax: settings['spool.diskBytes'] } };
}
