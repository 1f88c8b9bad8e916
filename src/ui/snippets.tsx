import type { JSX } from 'preact';
import { CopyLine } from './copy-line.js';
import { curlPublish, curlSubscribe, eventSourceCode } from './snippet-text.js';
import { channel, firstType, hubUrl } from './state.js';

/** The shown channel from the reader's own terminal and code. */
export function Snippets(): JSX.Element {
  const name = channel.value ?? 'demo';
  return (
    <details class="card panel" open>
      <summary>
        <h2>Use it from your code</h2>
      </summary>
      <CopyLine title="In a page" text={eventSourceCode(hubUrl, name, firstType.value)} />
      <CopyLine title="In a terminal" text={curlSubscribe(hubUrl, name)} />
      <CopyLine title="Publish from anywhere" text={curlPublish(hubUrl, name)} />
    </details>
  );
}
