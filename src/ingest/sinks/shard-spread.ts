import { createHash } from 'node:crypto';
import { createSeededRandom } from '../../base/index.js';
import type { ReceivedEvent } from '../sources/source.js';
import { createPartitionKey } from './partition-key.js';

/** Where the events of a sample would go. */
export interface ShardSpread {
  /** Events for each shard. */
  readonly shards: readonly number[];
  /** Different keys. */
  readonly keys: number;
  /** The key that most events have, shortened to 100 characters; undefined for an empty sample. */
  readonly topKey: { readonly key: string; readonly events: number } | undefined;
  /** Events without the value that the key is made of: theirs is random. */
  readonly withoutValue: number;
}

export interface ShardSpreadOptions {
  /** As of the Kinesis sink. */
  readonly partitionKey: string;
  readonly shards: number;
}

/**
 * How `events` would be spread over shards that split the space of hash keys evenly.
 *
 * Source: "PartitionKey" of PutRecordsRequestEntry, Kinesis Data Streams API Reference: MD5 maps keys to 128-bit integers,
 * and each shard has a range of them.
 * @throws IngestError `invalid-option`: no such partition key.
 */
export function spreadOverShards(
  events: readonly ReceivedEvent[],
  { partitionKey, shards }: ShardSpreadOptions,
): ShardSpread {
  const seeded = createSeededRandom(1);
  let drawn = 0;
  const keyOf = createPartitionKey(partitionKey, () => {
    drawn += 1;
    return seeded();
  });
  const counts = Array.from({ length: shards }, () => 0);
  const keys = new Map<string, number>();
  for (const event of events) {
    const key = keyOf(event);
    const shard = shardOf(key, shards);
    counts[shard] = (counts[shard] ?? 0) + 1;
    keys.set(key, (keys.get(key) ?? 0) + 1);
  }
  const top = [...keys].reduce<readonly [string, number] | undefined>(
    (best, one) => (best === undefined || one[1] > best[1] ? one : best),
    undefined,
  );
  return {
    shards: counts,
    keys: keys.size,
    topKey: top === undefined ? undefined : { key: top[0].slice(0, 100), events: top[1] },
    withoutValue: partitionKey === 'random' ? 0 : drawn,
  };
}

function shardOf(key: string, shards: number): number {
  const hash = createHash('md5').update(key).digest().readUInt32BE(0);
  return Math.floor((hash / 2 ** 32) * shards);
}
