const WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['ENOTDIR', 'there is no such file'],
  ['EACCES', 'it may not be read by this user'],
  ['EPERM', 'it may not be read by this user'],
  ['EISDIR', 'it is a folder'],
]);

/** Why a file could not be read, to end a sentence with: words where the system has a code only. */
export function fileFault(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const words = WORDS.get(code);
  return words === undefined ? code : `${words} (${code})`;
}
