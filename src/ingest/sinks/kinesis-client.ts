import { loadOptional } from '../optional-package.js';
import { toRecordFailure } from './aws-failure.js';
import { clientSettings } from './record-api.js';
import type { AwsClientOptions, RecordAnswer, RecordApi } from './record-api.js';

const PACKAGES = ['@aws-sdk/client-kinesis', '@smithy/node-http-handler'];

/**
 * Kinesis Data Streams, through the AWS SDK; `stream` is a name or an ARN.
 * @throws IngestError `package-missing`: the SDK is not installed.
 */
export async function connectKinesis(stream: string, options: AwsClientOptions): Promise<RecordApi> {
  const need = { usedBy: 'the kinesis sink', packages: PACKAGES };
  const sdk = await loadOptional(() => import('@aws-sdk/client-kinesis'), need);
  const { NodeHttpHandler } = await loadOptional(() => import('@smithy/node-http-handler'), need);
  const agent = { keepAlive: true, maxSockets: options.requests };
  const client = new sdk.KinesisClient({
    ...clientSettings(options),
    // Its own choice is HTTP/2, which emulators do not speak.
    requestHandler: new NodeHttpHandler({ httpAgent: agent, httpsAgent: agent }),
  });
  const target = stream.startsWith('arn:') ? { StreamARN: stream } : { StreamName: stream };
  return {
    async check(abortSignal) {
      // Of what tells whether the stream is there, a role that may only write has this right.
      await client.send(new sdk.ListShardsCommand({ ...target, MaxResults: 1 }), { abortSignal });
    },
    async put(records, abortSignal) {
      const entries = records.map(({ data, key }) => ({ Data: data, PartitionKey: key }));
      const command = new sdk.PutRecordsCommand({ ...target, Records: entries });
      const answer = await client.send(command, { abortSignal });
      return (answer.Records ?? []).map(toAnswer);
    },
    close: () => client.destroy(),
  };
}

interface Entry {
  readonly SequenceNumber?: string | undefined;
  readonly ErrorCode?: string | undefined;
  readonly ErrorMessage?: string | undefined;
}

/** Only a record with a sequence number is in the stream. */
function toAnswer({ SequenceNumber, ErrorCode, ErrorMessage }: Entry): RecordAnswer {
  if (ErrorCode === undefined && SequenceNumber !== undefined) return undefined;
  return toRecordFailure(ErrorCode ?? 'no-sequence-number', ErrorMessage ?? '');
}
