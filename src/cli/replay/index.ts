export type { Block } from './block.js';
export { generateBlocks, generateData } from './generator.js';
export { formatChunk, formatHeader, isRecordingStart, readRecording } from './recording.js';
export type { Recording } from './recording.js';
export { startReplay } from './replay-server.js';
export type { Replay, ReplayOptions, ReplayStats } from './replay-server.js';
