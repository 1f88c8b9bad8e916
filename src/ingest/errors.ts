/** Every way in which a pipeline or a part of it can fail; the codes are stable. */
export type IngestErrorCode =
  /** An option contradicts another or has no meaning. */
  | 'invalid-option'
  /** The source said no, and asking again will not help. */
  | 'source-refused'
  /** The answer is no event stream: another content type or a coding that was not asked for. */
  | 'not-an-event-stream'
  /** The checkpoint is there but cannot be understood. */
  | 'checkpoint-unreadable'
  /** The checkpoint belongs to another pipeline or to a newer Tidegate. */
  | 'checkpoint-foreign'
  /** Another live process uses the same checkpoint. */
  | 'checkpoint-locked'
  /** The checkpoint's folder cannot be made or written to. */
  | 'checkpoint-unwritable'
  /** Somebody else saved this checkpoint since: another process runs the pipeline. */
  | 'checkpoint-taken'
  /** Another live process uses the same spool on disk. */
  | 'spool-locked'
  /** The spool on disk is there but cannot be understood, or belongs to another pipeline. */
  | 'spool-unreadable'
  /** The spool's folder cannot be made or written to. */
  | 'spool-unwritable'
  /** Another worker has the pipeline now. */
  | 'lease-lost'
  /** Another live process writes to the same archive. */
  | 'archive-locked'
  /** The archive's folder cannot be made or written to. */
  | 'archive-unwritable'
  /** The archive cannot be read, so nothing can be said of it. */
  | 'archive-unreadable'
  /** The journal of an archive is there but cannot be understood. */
  | 'journal-unreadable'
  /** A package that is not installed with Tidegate is needed. */
  | 'package-missing'
  /** What a sink writes to is not there. */
  | 'stream-missing'
  /** There is no such bucket, or not where it was looked for. */
  | 'bucket-missing'
  /** There are no credentials, or the other side does not accept them. */
  | 'access-refused'
  /** The dead letters have reached their bound. */
  | 'dead-letters-full'
  /** A part failed in a way that nobody foresaw. */
  | 'internal';

/** Thrown by ingest; `code` is stable, the message is for people and holds no secret. */
export class IngestError extends Error {
  override readonly name = 'IngestError';
  readonly code: IngestErrorCode;

  constructor(code: IngestErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The message of anything thrown, with what lay beneath it where the message alone says too little. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const beneath = error.cause instanceof Error ? error.cause : undefined;
  if (error.message !== '') return error.message;
  const code = 'code' in error ? String(error.code) : error.name;
  return beneath === undefined ? code : messageOf(beneath);
}
