// What shared compression saves and costs, by events per flush:  node --import tsx bench/compression.ts
// The events are the recorded Wikimedia stream's beside the project, or made up where there is none.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { deflatedBlocks, storedBlocks } from '../src/hub/compression.js';
import { combineCrc32, crc32, crc32Shift } from '../src/hub/crc32.js';
import { createEventParser, encodeEvent } from '../src/protocol/index.js';

const RECORDED = resolve('..', 'shared', 'data', 'wikimedia', 'recentchange.derived.sse');
const ROUNDS = 20;
const FLUSH_EVENTS = [1, 10, 50];
const LARGE_FLUSH_BYTES = 256 * 1024;
const COMBINES = 1_000_000;

/** As the hub sends them: with its cursor for an id. */
function recordedEvents(): readonly Uint8Array[] {
  const events: Uint8Array[] = [];
  const encode = (data: string): void => {
    events.push(encodeEvent({ id: `~0123456789-${events.length + 1}`, data }));
  };
  if (existsSync(RECORDED)) createEventParser({ onEvent: ({ data }) => encode(data) }).push(readFileSync(RECORDED));
  else for (let at = 0; at < 100; at += 1) encode(JSON.stringify({ at, title: 'Tide '.repeat(200) }));
  return events;
}

/** Median of the milliseconds that `task` takes. */
function medianMs(task: () => void): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const startedMs = performance.now();
    task();
    return performance.now() - startedMs;
  });
  return times.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0;
}

function flushesOf(events: readonly Uint8Array[], size: number): readonly Uint8Array[] {
  const count = Math.floor(events.length / size);
  return Array.from({ length: count }, (_, at) => Buffer.concat(events.slice(at * size, (at + 1) * size)));
}

const sum = (flushes: readonly Uint8Array[]): number => flushes.reduce((bytes, flush) => bytes + flush.length, 0);

const events = recordedEvents();
console.log(`${existsSync(RECORDED) ? 'Recorded Wikimedia' : 'Made-up'} events: ${events.length}`);
console.log('events a flush | bytes a flush | compressed | saved | stored adds | ms a flush');
for (const size of FLUSH_EVENTS) {
  const flushes = flushesOf(events, size);
  const plain = sum(flushes);
  const packed = sum(flushes.map((flush) => deflatedBlocks(flush)));
  const stored = sum(flushes.map((flush) => storedBlocks(flush)));
  const ms = medianMs(() => flushes.forEach((flush) => deflatedBlocks(flush))) / flushes.length;
  const cells = [
    size,
    Math.round(plain / flushes.length),
    Math.round(packed / flushes.length),
    `${((1 - packed / plain) * 100).toFixed(1)} %`,
    `${((stored / plain - 1) * 100).toFixed(2)} %`,
    ms.toFixed(3),
  ];
  console.log(cells.join(' | '));
}

const pattern = Buffer.concat([...events]);
const large = Buffer.alloc(LARGE_FLUSH_BYTES, pattern);
console.log(`256 KiB: compressed in ${medianMs(() => void deflatedBlocks(large)).toFixed(2)} ms`);
console.log(`256 KiB: checksum in ${medianMs(() => void crc32(large)).toFixed(2)} ms`);
const shift = crc32Shift(pattern.length);
let crc = 1;
const combineMs = medianMs(() => {
  for (let at = 0; at < COMBINES; at += 1) crc = combineCrc32(crc, at, shift);
});
console.log(`A subscriber's checksum: ${((combineMs / COMBINES) * 1e6).toFixed(0)} ns a flush (${crc.toString(16)})`);
