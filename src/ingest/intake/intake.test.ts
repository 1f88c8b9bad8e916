import { describe, expect, it } from 'vitest';
import { Dedupe } from './dedupe.js';
import { Intake } from './intake.js';
import type { ReceivedEvent } from '../sources/source.js';

function event(data: object, type = 'message', receivedAt = 0): ReceivedEvent {
  return { id: '', type, data: JSON.stringify(data), receivedAt };
}

describe('Intake', () => {
  it('take() passes canaries over first, then what is filtered, then repeats, and cuts fields last', () => {
    const intake = new Intake({
      canary: ['/meta/domain=canary'],
      types: ['edit'],
      match: ['/bot=false'],
      fields: { drop: ['/meta'] },
    });
    intake.dedupe = new Dedupe({ key: '/meta/id' }, 10);
    const canary = { meta: { id: 1, domain: 'canary' }, bot: false };
    const wanted = { meta: { id: 1 }, bot: false };
    expect(intake.take(event(canary, 'edit'))).toBeUndefined();
    expect(intake.take(event(wanted, 'log'))).toBeUndefined();
    expect(intake.take(event({ ...wanted, bot: true }, 'edit'))).toBeUndefined();
    expect(intake.take(event(wanted, 'edit', 5))).toEqual(event({ bot: false }, 'edit', 5));
    expect(intake.take(event(wanted, 'edit', 6))).toBeUndefined();
    expect(intake.stats).toEqual({ canaries: 1, filtered: 2, repeats: 1 });
  });

  it('take() gives the same event where no rule concerns it', () => {
    const received = event({ a: 1 });
    expect(new Intake({}).take(received)).toBe(received);
    expect(new Intake({ fields: { drop: [], mask: [] } }).take(received)).toBe(received);
  });
});
