import type { Manifest } from './sinks/s3/manifest.js';

/** What is known of an object of data, beside what its manifest says. */
export interface Evidence {
  readonly manifest: Manifest;
  /** `there`: as the manifest says, as far as was looked. */
  readonly data: 'there' | 'missing' | 'different';
}

/** What an archive cannot be trusted in. */
export type Finding =
  /** Objects `from` to `to` of a chain have no manifest: their events are missing. */
  | { readonly kind: 'gap'; readonly chain: string; readonly from: number; readonly to: number }
  /** An object does not begin where the one before it ended. */
  | { readonly kind: 'broken-link'; readonly key: string; readonly after: string; readonly expected: string }
  /** Objects that hold the same events, `events` of them more than once. */
  | { readonly kind: 'duplicate'; readonly keys: readonly string[]; readonly events: number }
  /** There is a manifest and no object, or one of other bytes. */
  | { readonly kind: 'missing-object' | 'different-object'; readonly key: string; readonly events: number }
  /** What stands where a manifest should cannot be read as one, so what its object holds is not known. */
  | { readonly kind: 'unreadable-manifest'; readonly key: string }
  /** A journal was lost or begun anew: nothing says whether events are missing before this chain, or come again. */
  | { readonly kind: 'new-chain'; readonly chain: string; readonly pipeline: string; readonly key: string };

export interface ArchiveReport {
  readonly objects: number;
  /** Events that are there, each once. */
  readonly events: number;
  readonly bytes: number;
  readonly chains: number;
  readonly findings: readonly Finding[];
  /** No finding but new chains: every chain is without a gap and without a duplicate. */
  readonly isSound: boolean;
}

/**
 * Judges an archive by its manifests. What it proves: between the first and the last object of each chain nothing
 * is missing, and nothing is there twice. What it cannot know: whether objects are missing after the last one.
 *
 * @param unreadable - Keys of manifests that could not be read as such.
 */
export function judgeArchive(evidence: readonly Evidence[], unreadable: readonly string[] = []): ArchiveReport {
  const chains = groupBy(evidence, ({ manifest }) => `${manifest.pipeline} ${manifest.chain}`);
  const ordered = chains
    .map((links) => links.toSorted((a, b) => a.manifest.number - b.manifest.number))
    .toSorted((a, b) => (a[0]?.manifest.arrivedAt ?? '').localeCompare(b[0]?.manifest.arrivedAt ?? ''));
  const duplicates = findDuplicates(evidence);
  const findings = [
    ...findNewChains(ordered),
    ...ordered.flatMap(findGaps),
    ...evidence.flatMap(findData),
    ...unreadable.toSorted().map((key) => ({ kind: 'unreadable-manifest', key }) as const),
    ...duplicates,
  ];
  const sum = (read: (manifest: Manifest) => number): number =>
    evidence.reduce((total, { manifest, data }) => total + (data === 'there' ? read(manifest) : 0), 0);
  return {
    objects: evidence.length,
    events: sum(({ count }) => count) - duplicates.reduce((total, { events }) => total + events, 0),
    bytes: sum(({ bytes }) => bytes),
    chains: chains.length,
    findings,
    isSound: findings.every(({ kind }) => kind === 'new-chain'),
  };
}

/** Every chain of a pipeline but its first. */
function findNewChains(chains: readonly (readonly Evidence[])[]): readonly Finding[] {
  const seen = new Set<string>();
  return chains.flatMap(([first]): readonly Finding[] => {
    if (first === undefined) return [];
    const { chain, pipeline, key } = first.manifest;
    if (seen.has(pipeline)) return [{ kind: 'new-chain', chain, pipeline, key }];
    seen.add(pipeline);
    return [];
  });
}

/** Where the numbers of a chain, which are in order, leave something out, or an object does not join the last. */
function findGaps(chain: readonly Evidence[]): readonly Finding[] {
  let number = 0;
  let lastId = '';
  return chain.flatMap(({ manifest }): readonly Finding[] => {
    const [expected, expectedAfter] = [number + 1, lastId];
    number = manifest.number;
    lastId = manifest.lastId;
    // The same number again is a duplicate, which is found by itself.
    if (manifest.number < expected) return [];
    if (manifest.number > expected)
      return [{ kind: 'gap', chain: manifest.chain, from: expected, to: manifest.number - 1 }];
    if (manifest.after === expectedAfter) return [];
    return [{ kind: 'broken-link', key: manifest.key, after: manifest.after, expected: expectedAfter }];
  });
}

function findData({ manifest, data }: Evidence): readonly Finding[] {
  if (data === 'there') return [];
  return [{ kind: `${data}-object`, key: manifest.key, events: manifest.count }];
}

type Duplicate = Extract<Finding, { readonly kind: 'duplicate' }>;

/** Objects of one digest, or of one number in one chain. Events without ids may be alike and yet others. */
function findDuplicates(evidence: readonly Evidence[]): readonly Duplicate[] {
  const there = evidence.filter(({ data }) => data === 'there').map(({ manifest }) => manifest);
  const sameContent = repeated(
    there.filter(({ firstId }) => firstId !== ''),
    ({ digest }) => digest,
  );
  const known = new Set(sameContent.flat());
  const others = there.filter((manifest) => !known.has(manifest));
  return [...sameContent, ...repeated(others, ({ chain, number }) => `${chain} ${number}`)].map((same) => {
    const events = same.slice(1).reduce((total, { count }) => total + count, 0);
    return { kind: 'duplicate', keys: same.map(({ key }) => key), events };
  });
}

function repeated(
  manifests: readonly Manifest[],
  nameOf: (manifest: Manifest) => string,
): readonly (readonly Manifest[])[] {
  return groupBy(manifests, nameOf).filter(({ length }) => length > 1);
}

function groupBy<T>(items: readonly T[], nameOf: (item: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(nameOf(item));
    if (group === undefined) groups.set(nameOf(item), [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
