import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import type { StreamForm } from '../form.js';

/** How the query wants events to be written (PROTOCOL.md, 4.6 and 4.10). @throws HubError `invalid-query`. */
export function readStreamForm(query: URLSearchParams): StreamForm {
  return { isEnvelope: isEnvelopeAsked(query), hasControlEvents: isControlAsked(query) };
}

function isEnvelopeAsked(query: URLSearchParams): boolean {
  const envelope = query.get('envelope');
  if (envelope === null || envelope === 'none') return false;
  if (envelope === 'json') return true;
  throw new HubError('invalid-query', `Cannot wrap events in envelope ${quote(envelope)}: only "json" is known`);
}

function isControlAsked(query: URLSearchParams): boolean {
  const control = query.get('control');
  if (control === null || control === 'events') return true;
  if (control === 'none') return false;
  throw new HubError(
    'invalid-query',
    `Cannot send control events as ${quote(control)}: only "events" and "none" are known`,
  );
}
