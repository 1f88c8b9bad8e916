/**
 * Whether `name` fits `pattern`, in which every `*` stands for any run of characters, none too; all else is
 * taken as it is. No channel name holds a `*` (PROTOCOL.md, 2). Time grows with the name's length times the
 * pattern's at most: no pattern makes it run away.
 */
export function matchesChannel(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  // The earliest place for each part leaves the most room for those behind it.
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
