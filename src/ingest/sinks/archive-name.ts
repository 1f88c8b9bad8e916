import type { Format } from '../format.js';

/** How the files of one archive are called: `<name>-<UTC time>.<extension>`, and `.part` while it grows. */
export interface ArchiveNaming {
  readonly name: string;
  readonly extension: string;
}

/** A file of an archive, as its name tells. */
export interface ArchiveFile {
  /** The name up to the extension. */
  readonly stem: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** `part`: grows. `sealed`, `gzip`: done. `temporary`: a compression that did not end. */
  readonly kind: 'part' | 'sealed' | 'gzip' | 'temporary';
}

const STEM_TIME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/;

const SUFFIXES = { part: '.part', sealed: '', gzip: '.gz', temporary: '.gz.tmp' } as const;

export function extensionOf(format: Format): string {
  return format === 'data' ? 'data' : 'ndjson';
}

/** `2026-11-20T23:32:53.123Z` as `20261120T233253123Z`: sorts by time and fits every file system. */
export function stemOf({ name }: ArchiveNaming, startedAt: number): string {
  return `${name}-${new Date(startedAt).toISOString().replaceAll(/[-:.]/g, '')}`;
}

export function fileName({ extension }: ArchiveNaming, stem: string, kind: ArchiveFile['kind']): string {
  return `${stem}.${extension}${SUFFIXES[kind]}`;
}

/** Undefined where `file` belongs to no archive of this naming. */
export function parseFileName(naming: ArchiveNaming, file: string): ArchiveFile | undefined {
  const dot = file.indexOf(`.${naming.extension}`, naming.name.length);
  const stem = file.slice(0, dot);
  if (dot === -1 || !stem.startsWith(`${naming.name}-`)) return undefined;
  const suffix = file.slice(dot + 1 + naming.extension.length);
  const kind = (['part', 'sealed', 'gzip', 'temporary'] as const).find((each) => SUFFIXES[each] === suffix);
  const match = STEM_TIME.exec(stem.slice(naming.name.length + 1));
  if (kind === undefined || match === null) return undefined;
  const [, year, month, day, hour, minute, second, ms] = match;
  const startedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  return Number.isNaN(startedAt) ? undefined : { stem, startedAt, kind };
}
