/** How many colours the style sheet has for event types. */
const TONES = 6;

/** A colour that stays the same for an event type; `message`, the default type, has none. */
export function toneOf(type: string): number | undefined {
  if (type === 'message') return undefined;
  let hash = 0;
  for (let at = 0; at < Math.min(type.length, 64); at += 1) hash = (Math.imul(hash, 31) + type.charCodeAt(at)) >>> 0;
  return hash % TONES;
}
