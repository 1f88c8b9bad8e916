export { LogError } from './errors.js';
export type { LogErrorCode } from './errors.js';
export { openSegmentLog } from './segment-log.js';
export type { LogPlace, LogRecord, LogVisitor, SegmentLog, SegmentLogOptions } from './segment-log.js';
