import type { JSX } from 'preact';
import { CopyLine } from './copy-line.js';
import { curlPublish } from './snippet-text.js';
import { hubUrl } from './state.js';

/** What to do with a hub that has no channel yet. */
export function EmptyHub(): JSX.Element {
  return (
    <div class="card empty">
      <h2>The gate is open, and no water has come yet</h2>
      <p>This hub has no channels. A channel begins with its first event, so publish one:</p>
      <CopyLine title="In a terminal" text={curlPublish(hubUrl, 'demo')} />
      <p>Or use the form on this page. The channel appears here by itself, and its events as they arrive.</p>
    </div>
  );
}
