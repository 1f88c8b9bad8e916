import { boolean, integer, string, url } from './setting.js';

const MIB = 1024 * 1024;
const INGEST = ['ingest'] as const;

/** The part of the table that says where events go. */
export const SINKS = {
  'sink.file.dir': string({
    doc: 'Archive to files in this folder.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'folder',
  }),
  'sink.file.rotateBytes': integer({
    doc: 'A new file after so many bytes.',
    verbs: INGEST,
    default: 64 * MIB,
    unit: 'bytes',
    min: 1,
  }),
  'sink.file.rotateMs': integer({
    doc: 'A new file after so long.',
    verbs: INGEST,
    default: 3_600_000,
    unit: 'ms',
    min: 1,
  }),
  'sink.file.gzip': boolean({ doc: 'Compress files once they are complete.', verbs: INGEST, default: false }),
  'sink.hub.url': url({
    doc: 'Publish to this hub.',
    verbs: INGEST,
    default: undefined,
  }),
  'sink.hub.channel': string({
    doc: 'Publish to this channel of it.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'channel',
  }),
  'sink.hub.keepIds': boolean({ doc: "Publish with the upstream's ids.", verbs: INGEST, default: false }),
} as const;
