import { isRecord, readJson } from './json.js';

/** One line that says what an event holds. */
export type Preview =
  | {
      readonly kind: 'edit';
      readonly user: string;
      readonly verb: string;
      readonly title: string;
      readonly wiki: string;
    }
  | { readonly kind: 'fields'; readonly fields: readonly Field[] }
  | { readonly kind: 'text'; readonly text: string };

export interface Field {
  readonly name: string;
  readonly value: string;
}

/** Longer data is shown by its beginning only: parsing it would cost more than one line is worth. */
const PARSED_CHARACTERS_MAX = 64 * 1024;
const LINE_CHARACTERS_MAX = 280;
const VALUE_CHARACTERS_MAX = 80;
const FIELDS_MAX = 8;

const EDIT_VERBS: Readonly<Record<string, string>> = {
  edit: 'edited',
  new: 'created',
  log: 'logged an action on',
  categorize: 'categorised',
};

/** What to show of an event's data on one line; Wikimedia's recent changes read as a sentence. */
export function previewOf(data: string): Preview {
  const value = data.length > PARSED_CHARACTERS_MAX ? undefined : readJson(data);
  if (isRecord(value)) return previewOfEdit(value) ?? previewOfFields(value);
  if (Array.isArray(value)) return { kind: 'text', text: oneLine(JSON.stringify(value)) };
  return { kind: 'text', text: oneLine(typeof value === 'string' ? value : data) };
}

/** {@link previewOf} as plain text. */
export function previewText(data: string): string {
  const preview = previewOf(data);
  if (preview.kind === 'edit') return `${preview.user} ${preview.verb} ${preview.title} (${preview.wiki})`;
  if (preview.kind === 'fields') return preview.fields.map(({ name, value }) => `${name} ${value}`).join(' · ');
  return preview.text;
}

function previewOfEdit(value: Readonly<Record<string, unknown>>): Preview | undefined {
  const { title, user, type } = value;
  const wiki = value['wiki'] ?? value['server_name'];
  if (typeof title !== 'string' || typeof user !== 'string' || typeof wiki !== 'string') return undefined;
  const verb = typeof type === 'string' && Object.hasOwn(EDIT_VERBS, type) ? EDIT_VERBS[type] : undefined;
  return { kind: 'edit', user: cut(user), verb: verb ?? 'edited', title: cut(title, 160), wiki: cut(wiki) };
}

function previewOfFields(value: Readonly<Record<string, unknown>>): Preview {
  const entries = Object.entries(value);
  if (entries.length === 0) return { kind: 'text', text: '{}' };
  const fields = entries
    .slice(0, FIELDS_MAX)
    .map(([name, field]) => ({ name: cut(name, 40), value: valueText(field) }));
  if (entries.length > FIELDS_MAX) fields.push({ name: '…', value: `${entries.length - FIELDS_MAX} more` });
  return { kind: 'fields', fields };
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.length}]`;
  if (isRecord(value)) return `{${cut(Object.keys(value).join(', '), 40)}}`;
  return cut(typeof value === 'string' ? value : String(value));
}

function oneLine(text: string): string {
  const line = text
    .slice(0, LINE_CHARACTERS_MAX * 2)
    .replaceAll(/\r\n|\r|\n/g, ' ⏎ ')
    .trim();
  return cut(line === '' ? '(empty)' : line, LINE_CHARACTERS_MAX);
}

function cut(text: string, charactersMax = VALUE_CHARACTERS_MAX): string {
  const line = text.slice(0, charactersMax + 1).replaceAll(/\s+/g, ' ');
  return line.length > charactersMax || text.length > charactersMax ? `${line.slice(0, charactersMax)}…` : line;
}
