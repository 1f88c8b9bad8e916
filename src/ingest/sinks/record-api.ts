import type { AwsFailure } from './aws-failure.js';
import type { OutgoingRecord } from './record-queue.js';

/** What AWS said of one record: taken, where there is no failure. */
export type RecordAnswer = AwsFailure | undefined;

/** A service of AWS that takes records by the request. */
export interface RecordApi {
  /** Rejects where the stream is not there or cannot be asked for. */
  check(signal: AbortSignal): Promise<void>;
  /**
   * One request, never repeated by itself. Answers for each record, in their order; rejects where the
   * request failed as a whole, soon after `signal` aborts too.
   */
  put(records: readonly OutgoingRecord[], signal: AbortSignal): Promise<readonly RecordAnswer[]>;
  /** Lets go of the connections. */
  close(): void;
}

/** What the clients of both services are made of. */
export interface AwsClientOptions {
  /** Default: as the SDK finds it (`AWS_REGION`, then the profile's). */
  readonly region?: string;
  /** Another endpoint than the region's. */
  readonly endpoint?: string;
  /** Default: as the SDK finds them (variables, profile, role of the container or machine). Never logged. */
  readonly credentials?: AwsCredentials;
  /** Connections at once. */
  readonly requests: number;
}

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The settings that the SDK's clients have in common; what is not set must not be there. */
export function clientSettings({ region, endpoint, credentials }: AwsClientOptions): {
  readonly maxAttempts: 1;
  readonly region?: string;
  readonly endpoint?: string;
  readonly credentials?: AwsCredentials;
} {
  return {
    // A request that the SDK repeated as a whole would put what was taken a second time.
    maxAttempts: 1,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  };
}
