import { memo } from './memo.js';
import type { JSX } from 'preact';
import { formatBytes, formatTime } from './format.js';
import { JsonView } from './json-view.js';
import { previewOf } from './preview.js';
import type { EventRow, NoticeRow } from './row-log.js';
import { toggleRow } from './subscription.js';
import { toneOf } from './tone.js';

/** A longer id, such as Wikimedia's, would say nothing by its beginning: it stands in the open row only. */
const ID_CHARACTERS_SHOWN = 40;

interface EventItemProps {
  readonly row: EventRow;
  readonly isOpen: boolean;
}

/** One event on one line; open, all of it. Memoised: in a busy list only new rows cost anything. */
export const EventItem = memo<EventItemProps>(({ row, isOpen }) => (
  <li class={row.isBackfill ? 'row is-backfill' : 'row'}>
    <button type="button" class="row-line" aria-expanded={isOpen} onClick={() => toggleRow(row.key)}>
      <span class="row-time">{row.isBackfill ? 'history' : formatTime(row.atMs)}</span>
      <span class="row-type" data-tone={toneOf(row.type)} title={row.type}>
        {row.type}
      </span>
      <PreviewLine data={row.data} />
      <span class="row-id">{row.id.length > ID_CHARACTERS_SHOWN ? '' : row.id}</span>
    </button>
    {isOpen && <EventDetail row={row} />}
  </li>
));

export const NoticeItem = memo<{ readonly row: NoticeRow }>(({ row }) => (
  <li class={`notice is-${row.kind}`}>
    <span class="row-time">{formatTime(row.atMs)}</span>
    <strong>{row.title}</strong>
    <span>{row.detail}</span>
  </li>
));

function PreviewLine({ data }: { readonly data: string }): JSX.Element {
  const preview = previewOf(data);
  if (preview.kind === 'text') return <span class="row-preview">{preview.text}</span>;
  if (preview.kind === 'edit')
    return (
      <span class="row-preview">
        <span class="who">{preview.user}</span> {preview.verb} <strong>{preview.title}</strong>{' '}
        <span class="where">({preview.wiki})</span>
      </span>
    );
  return (
    <span class="row-preview">
      {preview.fields.map(({ name, value }) => (
        <span class="field" key={name}>
          <span class="field-name">{name}</span> {value}{' '}
        </span>
      ))}
    </span>
  );
}

function EventDetail({ row }: { readonly row: EventRow }): JSX.Element {
  return (
    <div class="detail">
      <dl>
        <dt>id</dt>
        <dd>{row.id === '' ? 'none' : row.id}</dd>
        <dt>type</dt>
        <dd>{row.type}</dd>
        <dt>data</dt>
        <dd>{formatBytes(new TextEncoder().encode(row.data).length)}</dd>
        <dt>arrived</dt>
        <dd>
          {formatTime(row.atMs)}
          {row.isBackfill ? ', from the history' : ', live'}
        </dd>
      </dl>
      <JsonView text={row.data} />
    </div>
  );
}
