const SHAPE = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Milliseconds since 1970 of a time with its offset (RFC 3339, 5.6); undefined where the text is none, or names a day or an
 * hour that does not exist. Date.parse takes 30 February for 2 March. Seconds go from 00 to 59: a leap second has no place.
 */
export function parseRfc3339(text: string): number | undefined {
  const [match, year, month, day, hour, minute, second, fraction, sign, offsetHour, offsetMinute] =
    SHAPE.exec(text) ?? [];
  if (match === undefined) return undefined;
  const fields = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = fields;
  const date = new Date(0);
  // Date.UTC would take the years below 100 for those of the 20th century.
  date.setUTCFullYear(y, mo - 1, d);
  date.setUTCHours(h, mi, s);
  const isReal = date.getUTCMonth() === mo - 1 && date.getUTCDate() === d && h < 24 && mi < 60 && s < 60;
  const [offsetH, offsetM] = [Number(offsetHour ?? 0), Number(offsetMinute ?? 0)];
  if (!isReal || offsetH > 23 || offsetM > 59) return undefined;
  const offsetMs = (sign === '-' ? -1 : 1) * (offsetH * 60 + offsetM) * 60_000;
  return date.getTime() + Number((fraction ?? '').padEnd(3, '0').slice(0, 3)) - offsetMs;
}
