import { editDistance } from '../../base/index.js';

/** The candidate that `text` was probably meant to be; undefined where none is near. */
export function suggest(text: string, candidates: Iterable<string>): string | undefined {
  const wanted = text.toLowerCase();
  const distanceMax = Math.max(1, Math.floor(text.length / 3));
  let best: string | undefined;
  let bestDistance = distanceMax + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** ` (did you mean x?)` where there is something to suggest. */
export function didYouMean(text: string, candidates: Iterable<string>): string {
  const suggestion = suggest(text, candidates);
  return suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`;
}
