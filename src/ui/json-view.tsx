import type { JSX } from 'preact';
import { formatCount } from './format.js';
import { isRecord, readJson } from './json.js';
import { jsonTokens } from './json-tokens.js';

/** More than this is shown without colours, which cost an element each. */
const COLOURED_CHARACTERS_MAX = 40_000;
/** More than this is not shown: nobody reads on, and the page would stall. */
const SHOWN_CHARACTERS_MAX = 200_000;

/** Data as people read it: JSON indented and coloured, anything else as it is. Text only, never markup. */
export function JsonView({ text }: { readonly text: string }): JSX.Element {
  const value = text.length > SHOWN_CHARACTERS_MAX ? undefined : readJson(text);
  const isJson = isRecord(value) || Array.isArray(value);
  const printed = isJson ? JSON.stringify(value, null, 2) : text;
  const shown = printed.slice(0, SHOWN_CHARACTERS_MAX);
  return (
    <pre class="json" tabIndex={0}>
      {isJson && shown.length <= COLOURED_CHARACTERS_MAX
        ? jsonTokens(shown).map((token, index) =>
            token.kind === 'plain' ? (
              token.text
            ) : (
              <span key={index} class={`json-${token.kind}`}>
                {token.text}
              </span>
            ),
          )
        : shown}
      {printed.length > shown.length && `\n… ${formatCount(printed.length - shown.length)} more characters`}
    </pre>
  );
}
