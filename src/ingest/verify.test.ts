import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Manifest } from './sinks/s3/manifest.js';
import { judgeArchive } from './verify.js';
import type { Evidence } from './verify.js';

function link(number: number, fields: Partial<Manifest> = {}, data: Evidence['data'] = 'there'): Evidence {
  const manifest: Manifest = {
    version: 1,
    pipeline: 'p',
    chain: 'c',
    number,
    key: `key-${number}`,
    format: 'ndjson',
    compression: 'gzip',
    after: number === 1 ? '' : `${(number - 1) * 10}`,
    firstId: `${(number - 1) * 10 + 1}`,
    lastId: `${number * 10}`,
    arrivedAt: `2026-11-21T00:00:${String(number).padStart(2, '0')}.000Z`,
    count: 10,
    bytes: 100,
    sha256: `sha-${number}`,
    digest: `digest-${number}`,
    ...fields,
  };
  return { manifest, data };
}

const three = [link(1), link(2), link(3)];

describe('judgeArchive()', () => {
  it('finds nothing in a whole chain, in whatever order it is listed', () => {
    const whole = { objects: 3, events: 30, bytes: 300, chains: 1, findings: [], isSound: true };
    expect(judgeArchive(three)).toEqual(whole);
    expect(judgeArchive(three.toReversed())).toEqual(whole);
    expect(judgeArchive([])).toMatchObject({ objects: 0, events: 0, isSound: true });
  });

  it.each([
    ['at the beginning', [link(3)], { from: 1, to: 2 }],
    ['in the middle', [link(1), link(4)], { from: 2, to: 3 }],
  ])('finds a gap %s', (_, evidence, gap) => {
    expect(judgeArchive(evidence)).toMatchObject({ isSound: false, findings: [{ kind: 'gap', chain: 'c', ...gap }] });
  });

  it('finds an object that does not begin where the last one ended', () => {
    const finding = { kind: 'broken-link', key: 'key-2', after: '9', expected: '10' };
    expect(judgeArchive([link(1), link(2, { after: '9' }), link(3)])).toMatchObject({ findings: [finding] });
  });

  it.each([
    ['of one number', link(2, { key: 'again', digest: 'other' })],
    ['of one content in another chain', link(1, { key: 'again', chain: 'd', digest: 'digest-2' })],
  ])('finds duplicates %s, and counts their events once', (_, again) => {
    const { findings, events, isSound } = judgeArchive([...three, again]);
    expect(findings).toContainEqual({ kind: 'duplicate', keys: ['key-2', 'again'], events: 10 });
    expect([events, isSound]).toEqual([30, false]);
  });

  it('does not take events without ids for the same because they are alike', () => {
    const alike = { firstId: '', lastId: '', after: '', digest: 'same' };
    expect(judgeArchive([link(1, alike), link(2, alike)])).toMatchObject({ findings: [], events: 20 });
  });

  it.each(['missing', 'different'] as const)('finds an object that is %s', (data) => {
    const finding = { kind: `${data}-object`, key: 'key-2', events: 10 };
    expect(judgeArchive([link(1), link(2, {}, data), link(3)])).toMatchObject({ findings: [finding], events: 20 });
  });

  it('says where a new chain begins, and calls that sound', () => {
    const second = link(1, { chain: 'd', key: 'later', digest: 'x', arrivedAt: '2026-11-22T00:00:00.000Z' });
    const finding = { kind: 'new-chain', chain: 'd', pipeline: 'p', key: 'later' };
    expect(judgeArchive([second, ...three])).toMatchObject({ findings: [finding], isSound: true, chains: 2 });
    expect(judgeArchive([link(1, { chain: 'd', pipeline: 'q', digest: 'x' }), ...three])).toMatchObject({
      findings: [],
    });
  });

  it('finds exactly the objects that were taken away before the last', () => {
    const chain = Array.from({ length: 30 }, (_, index) => link(index + 1));
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 29 })), (gone) => {
        const { findings, events } = judgeArchive(chain.filter(({ manifest }) => !gone.includes(manifest.number)));
        const missing = findings.flatMap((finding) =>
          finding.kind === 'gap'
            ? Array.from({ length: finding.to - finding.from + 1 }, (_, index) => finding.from + index)
            : [],
        );
        expect(missing).toEqual(gone.toSorted((a, b) => a - b));
        expect(events).toBe(300 - 10 * gone.length);
      }),
    );
  });
});
