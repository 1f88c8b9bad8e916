import { IngestError } from '../errors.js';
import { loadOptional } from '../optional-package.js';
import { toRecordFailure } from './aws-failure.js';
import { clientSettings } from './record-api.js';
import type { AwsClientOptions, RecordAnswer, RecordApi } from './record-api.js';

/**
 * Amazon Data Firehose, through the AWS SDK.
 * @throws IngestError `package-missing`: the SDK is not installed.
 */
export async function connectFirehose(stream: string, options: AwsClientOptions): Promise<RecordApi> {
  const sdk = await loadOptional(() => import('@aws-sdk/client-firehose'), {
    usedBy: 'the firehose sink',
    packages: ['@aws-sdk/client-firehose'],
  });
  const agent = { keepAlive: true, maxSockets: options.requests };
  const client = new sdk.FirehoseClient({
    ...clientSettings(options),
    requestHandler: { httpAgent: agent, httpsAgent: agent },
  });
  return {
    async check(abortSignal) {
      const command = new sdk.DescribeDeliveryStreamCommand({ DeliveryStreamName: stream });
      const { DeliveryStreamDescription: found } = await client.send(command, { abortSignal });
      // It would call every single record invalid.
      if (found?.DeliveryStreamType !== undefined && found.DeliveryStreamType !== 'DirectPut')
        throw new IngestError(
          'invalid-option',
          `Cannot write to stream ${JSON.stringify(stream)}: it takes records from its own source only (${found.DeliveryStreamType})`,
        );
    },
    async put(records, abortSignal) {
      const entries = records.map(({ data }) => ({ Data: data }));
      const command = new sdk.PutRecordBatchCommand({ DeliveryStreamName: stream, Records: entries });
      const answer = await client.send(command, { abortSignal });
      return (answer.RequestResponses ?? []).map(toAnswer);
    },
    close: () => client.destroy(),
  };
}

interface Entry {
  readonly RecordId?: string | undefined;
  readonly ErrorCode?: string | undefined;
  readonly ErrorMessage?: string | undefined;
}

/** Only a record with an id is in the stream. */
function toAnswer({ RecordId, ErrorCode, ErrorMessage }: Entry): RecordAnswer {
  if (ErrorCode === undefined && RecordId !== undefined) return undefined;
  return toRecordFailure(ErrorCode ?? 'no-record-id', ErrorMessage ?? '');
}
