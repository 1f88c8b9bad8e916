import { parsePointer } from '../../base/index.js';
import { IngestError } from '../errors.js';
import type { EventView } from './event-view.js';

export interface FieldRules {
  /** JSON pointers to what is left out; `*` as a name stands for every member or item (default none). */
  readonly drop?: readonly string[] | undefined;
  /** JSON pointers to what is written over with `***`, in the same manner (default none). */
  readonly mask?: readonly string[] | undefined;
}

/** Stands for what must not be seen. */
const MASK = '***';
const MASKED = JSON.stringify(MASK);

/** What is to be done with a value, and with what is in it. */
interface Rule {
  action: 'drop' | 'mask' | undefined;
  readonly members: Map<string, Rule>;
}

/**
 * Makes the text of an event's data without the fields that must not go on. All else stays as it was written:
 * numbers too large for JavaScript, too. Data that are no JSON hold no fields, so they are masked whole.
 * @throws IngestError `invalid-option`: no JSON pointer, or one to the whole.
 */
export function createFieldFilter({ drop = [], mask = [] }: FieldRules): (view: EventView) => string {
  const root: Rule = { action: undefined, members: new Map() };
  // Where both are asked for, less is shown.
  for (const pointer of mask) ruleAt(root, pointer).action = 'mask';
  for (const pointer of drop) ruleAt(root, pointer).action = 'drop';
  if (root.members.size === 0) return ({ event }) => event.data;
  return (view) => (view.isJson ? new FieldCutter(view.event.data).cut([root]) : MASK);
}

function ruleAt(root: Rule, text: string): Rule {
  const pointer = parsePointer(text);
  if (pointer === undefined || pointer.length === 0)
    throw new IngestError(
      'invalid-option',
      `Cannot drop or mask ${JSON.stringify(text)}: it is no JSON pointer to a field`,
    );
  let rule = root;
  for (const name of pointer) {
    const next = rule.members.get(name) ?? { action: undefined, members: new Map<string, Rule>() };
    rule.members.set(name, next);
    rule = next;
  }
  return rule;
}

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;

/** Reads a text that is known to be JSON, and goes only as deep as the rules do. */
class FieldCutter {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next value without what `rules` take from it. */
  cut(rules: readonly Rule[]): string {
    this.#skipSpace();
    const start = this.#at;
    const opening = this.#text[start];
    if (opening === '{' && rules.length > 0) return `{${this.#cutMembers(rules)}}`;
    if (opening === '[' && rules.length > 0) return `[${this.#cutItems(rules)}]`;
    this.#skipValue();
    return this.#text.slice(start, this.#at);
  }

  #cutMembers(rules: readonly Rule[]): string {
    const kept: string[] = [];
    this.#each('}', () => {
      const nameAt = this.#at;
      this.#skipString();
      const name = this.#text.slice(nameAt, this.#at);
      this.#skipSpace();
      this.#at += 1;
      const value = this.#cutUnder(rules, textOf(name));
      if (value !== undefined) kept.push(`${name}:${value}`);
    });
    return kept.join(',');
  }

  #cutItems(rules: readonly Rule[]): string {
    const kept: string[] = [];
    let index = 0;
    this.#each(']', () => {
      const value = this.#cutUnder(rules, String(index));
      index += 1;
      if (value !== undefined) kept.push(value);
    });
    return kept.join(',');
  }

  /** Calls `read` at each member or item of what opens here, up to and with its `closing`. */
  #each(closing: string, read: () => void): void {
    this.#at += 1;
    for (this.#skipSpace(); this.#text[this.#at] !== closing; this.#skipSpace()) {
      if (this.#text[this.#at] === ',') this.#at += 1;
      this.#skipSpace();
      read();
    }
    this.#at += 1;
  }

  /** Undefined where the value under `name` is to be left out. */
  #cutUnder(rules: readonly Rule[], name: string): string | undefined {
    const next = rules
      .flatMap(({ members }) => [members.get(name), members.get('*')])
      .filter((rule) => rule !== undefined);
    const actions = new Set(next.map(({ action }) => action));
    if (!actions.has('drop') && !actions.has('mask')) return this.cut(next);
    this.#skipSpace();
    this.#skipValue();
    return actions.has('drop') ? undefined : MASKED;
  }

  #skipSpace(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at += 1;
  }

  #skipString(): void {
    for (this.#at += 1; this.#text.charCodeAt(this.#at) !== QUOTE; this.#at += 1) {
      if (this.#text.charCodeAt(this.#at) === BACKSLASH) this.#at += 1;
    }
    this.#at += 1;
  }

  /** Without recursion: how deep the data go is for others to choose. */
  #skipValue(): void {
    let depth = 0;
    do {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit === QUOTE) this.#skipString();
      else if (depth === 0 && !isOpening(unit)) this.#skipWord();
      else {
        if (isOpening(unit)) depth += 1;
        else if (isClosing(unit)) depth -= 1;
        this.#at += 1;
      }
    } while (depth > 0);
  }

  /** A number, `true`, `false` or `null`. */
  #skipWord(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(unit) || unit === COMMA || isClosing(unit) || isSpace(unit)) return;
      this.#at += 1;
    }
  }
}

/** What a string of JSON says. */
function textOf(json: string): string {
  return json.includes('\\') ? (JSON.parse(json) as string) : json.slice(1, -1);
}

function isSpace(unit: number): boolean {
  return unit === 32 || unit === 10 || unit === 13 || unit === 9;
}

/** `{` or `[`. */
function isOpening(unit: number): boolean {
  return unit === 123 || unit === 91;
}

/** `}` or `]`. */
function isClosing(unit: number): boolean {
  return unit === 125 || unit === 93;
}
