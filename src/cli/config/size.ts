const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
};

/** Bytes of `512B`, `64KiB`, `16MiB`, `1GiB` or their decimal kin `KB`, `MB`, `GB`; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([KMG]?i?B)$/i.exec(text);
  const unitBytes = UNIT_BYTES[match?.[2]?.toUpperCase() ?? ''];
  return unitBytes === undefined ? undefined : Math.round(Number(match?.[1]) * unitBytes);
}

/** `bytes` as a person writes it: `16 MiB`, `1.5 KiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'] as const;
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const rounded = Number.isInteger(value) ? String(value) : value.toFixed(1);
  return `${rounded} ${units[unit] ?? 'B'}`;
}
