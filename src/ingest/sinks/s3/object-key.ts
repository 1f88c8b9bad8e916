import type { SpooledEvent } from '../../spool/spool.js';
import { fingerprintOf } from './fingerprint.js';
import { randomString } from './key-expressions.js';
import type { KeyPrefix } from './key-expressions.js';
import { parseTimestampPattern } from './timestamp-pattern.js';

export interface ObjectNaming {
  readonly prefix: KeyPrefix;
  readonly pipeline: string;
  /** Names this run, for events that have no name of their own. */
  readonly runId: string;
  /** How keys end: `.ndjson.gz`. */
  readonly extension: string;
}

const timeOf = parseTimestampPattern('yyyy-MM-dd-HH-mm-ss');

/** The time of an object as its name has it. */
export function timeInKey(atMs: number): string {
  return timeOf(new Date(atMs));
}

const RANDOM_CHARACTERS = 16;

/**
 * The key of the object that begins with `first`: `<prefix><pipeline>-<UTC time>-<random><extension>`. What is
 * random in it comes from the event, and its time is when that arrived: the same again gives the same key.
 */
export function keyOf(naming: ObjectNaming, first: SpooledEvent): string {
  const name = fingerprintOf(first) ?? `${naming.runId}/${first.sequence}`;
  return build(naming, { atMs: first.receivedAt, seed: `${naming.pipeline}/${name}` });
}

/** Another key for the same object, where somebody else has `taken`. */
export function keyInsteadOf(naming: ObjectNaming, taken: string, atMs: number): string {
  return build(naming, { atMs, seed: taken });
}

function build(
  { prefix, pipeline, extension }: ObjectNaming,
  { atMs, seed }: { readonly atMs: number; readonly seed: string },
): string {
  const name = `${pipeline}-${timeInKey(atMs)}-${randomString(seed, RANDOM_CHARACTERS)}`;
  return `${prefix.evaluate({ atMs, seed })}${name}${extension}`;
}
