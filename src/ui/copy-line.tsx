import { useState } from 'preact/hooks';
import type { JSX } from 'preact';

interface CopyLineProps {
  /** What the text is for. */
  readonly title?: string;
  readonly text: string;
}

/** Text to take elsewhere, with a button that copies it where the browser allows that (only on https and localhost). */
export function CopyLine({ title = '', text }: CopyLineProps): JSX.Element {
  const [copied, setCopied] = useState('');
  const copy = (): void => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(text),
      () => setCopied(''),
    );
  };
  return (
    <div class="copy-line">
      <div class="copy-head">
        <h3>{title}</h3>
        {isSecureContext && (
          <button type="button" class="quiet" aria-label={`Copy ${title}`.trim()} onClick={copy}>
            {copied === text ? 'Copied' : 'Copy'}
          </button>
        )}
      </div>
      <pre tabIndex={0}>{text}</pre>
    </div>
  );
}
