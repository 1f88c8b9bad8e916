/** No media type of NDJSON is registered; these are in use. */
export const NDJSON_TYPES: readonly string[] = [
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
];
