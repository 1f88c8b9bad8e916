/** White space with a line end in it: in valid JSON it stands between tokens only. */
const LINE_BREAK = /[\r\n]\s*/g;

/**
 * The text of a member of a JSON object, as it was written, on one line: parsing and writing it again would
 * round large numbers. `json` must be valid; of members with the same name the last counts, as in JSON.parse.
 */
export function memberText(json: string, name: string): string | undefined {
  let found: string | undefined;
  let at = json.indexOf('{') + 1;
  while (at > 0 && at < json.length) {
    const keyAt = json.indexOf('"', at);
    if (keyAt === -1) break;
    const keyEnd = afterString(json, keyAt);
    const valueAt = json.indexOf(':', keyEnd) + 1;
    const valueEnd = afterValue(json, valueAt);
    if (JSON.parse(json.slice(keyAt, keyEnd)) === name) found = json.slice(valueAt, valueEnd);
    at = valueEnd + 1;
  }
  return found?.trim().replace(LINE_BREAK, '');
}

function afterString(json: string, at: number): number {
  for (let quote = json.indexOf('"', at + 1); quote !== -1; quote = json.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (json[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return json.length;
}

/** Where the value ends that begins at `from`: at the comma or brace of the object it is in. */
function afterValue(json: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < json.length) {
    const character = json[at];
    if (character === '"') {
      at = afterString(json, at);
      continue;
    }
    if (depth === 0 && (character === ',' || character === '}')) return at;
    if (character === '{' || character === '[') depth += 1;
    if (character === '}' || character === ']') depth -= 1;
    at += 1;
  }
  return at;
}
