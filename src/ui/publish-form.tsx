import { useState } from 'preact/hooks';
import type { JSX, TargetedKeyboardEvent, TargetedSubmitEvent } from 'preact';
import { hashOfChannel } from './hash.js';
import { publishEvent } from './hub-api.js';
import type { Published } from './hub-api.js';
import { channel, hubUrl } from './state.js';

type Outcome = Published & { readonly channel: string };

const DATA = '{"text": "hello"}';

/** Publishes one event and says what came of it. */
export function PublishForm(): JSX.Element {
  const [outcome, setOutcome] = useState<Outcome>();
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const fields = new FormData(form);
    const name = textOf(fields, 'channel').trim();
    const event = textOf(fields, 'event').trim();
    setIsBusy(true);
    // The data goes out as it was typed: to the hub a string is the event's data to the character.
    const published = await publishEvent(hubUrl, name, {
      data: textOf(fields, 'data'),
      ...(event === '' ? {} : { event }),
    });
    setIsBusy(false);
    setOutcome({ ...published, channel: name });
    if ('id' in published && channel.value === undefined) location.hash = hashOfChannel(name);
  };
  const onSubmit = (submitted: TargetedSubmitEvent<HTMLFormElement>): void => {
    submitted.preventDefault();
    void submit(submitted.currentTarget);
  };
  return (
    <details class="card panel" open>
      <summary>
        <h2>Publish</h2>
      </summary>
      <form class="publish" onSubmit={onSubmit}>
        <Fields key={channel.value ?? ''} />
        <button type="submit" class="primary" disabled={isBusy}>
          Publish
        </button>
        <div role="status">{outcome !== undefined && <OutcomeLine outcome={outcome} />}</div>
      </form>
    </details>
  );
}

function Fields(): JSX.Element {
  return (
    <>
      <label>
        Channel
        <input
          name="channel"
          defaultValue={channel.value ?? 'demo'}
          autocapitalize="none"
          spellcheck={false}
          required
        />
      </label>
      <label>
        Event type <span class="optional">optional</span>
        <input name="event" placeholder="message" autocapitalize="none" spellcheck={false} />
      </label>
      <label>
        Data
        <textarea name="data" rows={4} spellcheck={false} defaultValue={DATA} onKeyDown={submitOnCtrlEnter} />
      </label>
    </>
  );
}

function OutcomeLine({ outcome }: { readonly outcome: Outcome }): JSX.Element {
  if ('problem' in outcome)
    return (
      <p class="outcome is-bad">
        <strong>{outcome.problem.code}</strong> {outcome.problem.detail}
      </p>
    );
  const isElsewhere = outcome.channel !== channel.value;
  return (
    <p class="outcome is-good">
      Published{outcome.id !== '' && <code>{outcome.id}</code>}
      {isElsewhere && (
        <a href={hashOfChannel(outcome.channel)}>
          Open <span>{outcome.channel}</span>
        </a>
      )}
    </p>
  );
}

function submitOnCtrlEnter(event: TargetedKeyboardEvent<HTMLTextAreaElement>): void {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}

function textOf(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === 'string' ? value : '';
}
