/** What a `tidegate.gap` says; its reason may be one that this page does not know yet. */
export interface Gap {
  readonly reason: string;
  readonly requested: string;
  readonly resumedAt: string;
}

const REASONS: Readonly<Record<string, string>> = {
  evicted: 'the history has dropped them already',
  epoch: 'the hub started anew and its history went with it',
  'too-slow': 'this page did not read fast enough',
  'unknown-id': 'the hub does not know the id that was resumed from',
};

/** The gap as a sentence for people. */
export function describeGap({ reason, requested, resumedAt }: Gap): string {
  const known = Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
  const because = known ?? `the hub says “${reason}”`;
  const from = requested === '' ? '' : ` after ${requested}`;
  const to = resumedAt === '' ? '' : `; the stream goes on from ${resumedAt}`;
  return `Events${from} are lost: ${because}${to}.`;
}
