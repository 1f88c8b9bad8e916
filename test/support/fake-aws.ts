import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/*
 * The little of the HTTP APIs of Kinesis Data Streams and Amazon Data Firehose that a writer sees, and the
 * ways in which they fail. What needs neither a fault nor a look inside is tested on emulators too. What it
 * follows, all below https://docs.aws.amazon.com/:
 * [PutRecords] kinesis/latest/APIReference/API_PutRecords.html
 * [ResultEntry] kinesis/latest/APIReference/API_PutRecordsResultEntry.html
 * [Entry] kinesis/latest/APIReference/API_PutRecordsRequestEntry.html
 * [LargeRecords] streams/latest/dev/large-records.html
 * [ListShards] kinesis/latest/APIReference/API_ListShards.html
 * [KinesisErrors] kinesis/latest/APIReference/CommonErrors.html
 * [PutRecordBatch] firehose/latest/APIReference/API_PutRecordBatch.html
 * [Record] firehose/latest/APIReference/API_Record.html
 * [DescribeStream] firehose/latest/APIReference/API_DescribeDeliveryStream.html
 * [FirehoseErrors] firehose/latest/APIReference/CommonErrors.html
 * [Retries] sdkref/latest/guide/feature-retry-behavior.html
 */

export interface PutRecord {
  readonly stream: string;
  /** Empty for Firehose. */
  readonly key: string;
  readonly data: string;
}

interface PutRequest {
  readonly action: string;
  readonly records: readonly PutRecord[];
  readonly bytes: number;
}

/**
 * Meets one put request in place of the service; false where it sees to the rest itself. Else what it
 * returns says of each record whether that fails, and with which code.
 */
export type AwsFault = (
  response: ServerResponse,
  request: PutRequest,
) => false | ((record: PutRecord, at: number) => string | undefined);

export interface FakeAws extends AsyncDisposable {
  readonly url: string;
  /** What the streams hold, in the order of arrival. */
  readonly records: PutRecord[];
  readonly requests: PutRequest[];
  /** Met one by one by the next put requests. */
  readonly faults: AwsFault[];
  /** Streams that are there. */
  readonly streams: Set<string>;
  /** Met one by one by the next requests that ask for a stream. */
  readonly checkFaults: AwsFault[];
  /** What kind a Firehose stream is. */
  streamType: 'DirectPut' | 'KinesisStreamAsSource';
  /** Told of each put request before it is dealt with. */
  onPut: (request: PutRequest) => void;
}

export interface FakeAwsLimits {
  readonly recordBytesMax?: number;
  readonly requestBytesMax?: number;
}

const MIB = 1024 * 1024;
const NO_FAILURE = (): undefined => undefined;

export async function startFakeAws(limits: FakeAwsLimits = {}): Promise<FakeAws> {
  const state: State = {
    records: [],
    requests: [],
    faults: [],
    checkFaults: [],
    streams: new Set(['events']),
    streamType: 'DirectPut',
    onPut: () => {},
    limits,
  };
  const server = createServer((request, response) => void answer(state, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const dispose = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(state, { url, [Symbol.asyncDispose]: dispose });
}

interface State extends Omit<FakeAws, 'url' | typeof Symbol.asyncDispose> {
  readonly limits: FakeAwsLimits;
}

interface Body {
  readonly StreamName?: string;
  readonly StreamARN?: string;
  readonly DeliveryStreamName?: string;
  readonly Records?: readonly { readonly Data: string; readonly PartitionKey?: string }[];
}

async function answer(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = JSON.parse(await text(request)) as Body;
  const action = String(request.headers['x-amz-target']).split('.')[1] ?? '';
  const stream = body.StreamName ?? body.StreamARN?.split('/')[1] ?? body.DeliveryStreamName ?? '';
  const records = (body.Records ?? []).map(({ Data, PartitionKey: key = '' }) => {
    return { stream, key, data: Buffer.from(Data, 'base64').toString() };
  });
  const bytes = records.reduce((sum, { key, data }) => sum + Buffer.byteLength(key) + Buffer.byteLength(data), 0);
  const put = { action, records, bytes };
  const isPut = action === 'PutRecords' || action === 'PutRecordBatch';
  if (isPut) {
    state.requests.push(put);
    state.onPut(put);
  }
  const fault = (isPut ? state.faults : state.checkFaults).shift();
  const failing = fault?.(response, put) ?? NO_FAILURE;
  if (failing === false) return;
  // [PutRecords], [PutRecordBatch], [ListShards], [DescribeStream]: ResourceNotFoundException, 400.
  if (!state.streams.has(stream))
    return fail(response, 400, 'ResourceNotFoundException', `Stream ${stream} not found.`);
  // [ListShards], [DescribeStream]: what a writer reads of the answers.
  if (!isPut) return send(response, 200, { DeliveryStreamDescription: { DeliveryStreamType: state.streamType } });
  const refusal = refusalOf(put, state.limits);
  if (refusal !== undefined) return fail(response, 400, ...refusal);
  const entries = records.map((record, at) => keep(state, record, failing(record, at)));
  const failed = entries.filter(({ ErrorCode }) => ErrorCode !== undefined).length;
  // [PutRecords], [PutRecordBatch]: 200 even where records failed; as many entries as records, in their order.
  if (action === 'PutRecords') send(response, 200, { FailedRecordCount: failed, Records: entries });
  else send(response, 200, { FailedPutCount: failed, RequestResponses: entries });
}

/**
 * [PutRecords]: up to 500 records; the limits of a record and of the request count partition keys. A request
 * has 10 MiB there, and 5 MiB in earlier editions, which is what the fake has. [LargeRecords]: records of 1 MiB,
 * where the stream is not told otherwise. [Entry]: a key has 1 to 256 characters. [PutRecordBatch]: up to 500
 * records, 4 MiB. [Record]: up to 1,000 KiB.
 */
function refusalOf({ action, records, bytes }: PutRequest, limits: FakeAwsLimits): [string, string] | undefined {
  const isKinesis = action === 'PutRecords';
  const recordBytesMax = limits.recordBytesMax ?? (isKinesis ? MIB : 1000 * 1024);
  const requestBytesMax = limits.requestBytesMax ?? (isKinesis ? 5 * MIB : 4 * MIB);
  if (records.length < 1 || records.length > 500)
    return ['ValidationException', `1 validation error detected: ${records.length} records`];
  if (bytes > requestBytesMax) return ['InvalidArgumentException', `Records size exceeds limit: ${bytes}`];
  const bad = records.find(({ key, data }) => {
    const isBadKey = isKinesis && (key.length < 1 || key.length > 256);
    return isBadKey || Buffer.byteLength(data) + Buffer.byteLength(key) > recordBytesMax;
  });
  return bad && ['ValidationException', '1 validation error detected: a member of records has a bad length'];
}

interface Entry {
  readonly ErrorCode?: string;
  readonly ErrorMessage?: string;
  readonly SequenceNumber?: string;
  readonly ShardId?: string;
  readonly RecordId?: string;
}

function keep(state: State, record: PutRecord, code: string | undefined): Entry {
  if (code !== undefined) return { ErrorCode: code, ErrorMessage: `Refused: ${code}` };
  state.records.push(record);
  if (record.key === '') return { RecordId: randomUUID() };
  return { SequenceNumber: String(state.records.length), ShardId: 'shardId-000000000000' };
}

/** [KinesisErrors], [FirehoseErrors]: an error is named by `__type` in JSON; [PutRecords] gives the statuses. */
function fail(response: ServerResponse, status: number, type: string, message: string): void {
  send(response, status, { __type: type, message });
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() });
  response.end(JSON.stringify(body));
}

/**
 * Some records fail, the others are kept. [ResultEntry]: ProvisionedThroughputExceededException or
 * InternalFailure; [PutRecordBatch]: ServiceUnavailableException or InternalFailure.
 */
export function failSome(
  isFailing: (at: number, record: PutRecord) => boolean,
  code = 'ProvisionedThroughputExceededException',
): AwsFault {
  return () => (record, at) => (isFailing(at, record) ? code : undefined);
}

/** The request fails as a whole and nothing is kept. */
export function failAll(status: number, type: string, message = 'No'): AwsFault {
  return (response) => {
    fail(response, status, type, message);
    return false;
  };
}

/** [PutRecords], errors: the whole request is over the stream's throughput, 400. */
export const throttle = failAll(400, 'ProvisionedThroughputExceededException', 'Rate exceeded for shard');
/** [KinesisErrors], [FirehoseErrors]: 500. */
export const internalFailure = failAll(500, 'InternalFailure');
/** [FirehoseErrors]: 503, but from a proxy before the service: in HTML, which names no error. */
export const unavailable: AwsFault = (response) => {
  response.writeHead(503, { 'content-type': 'text/html' }).end('<html>busy</html>');
  return false;
};

/** [Retries]: a connection that breaks is for the client to retry. Nothing was kept. */
export const tear: AwsFault = (response) => {
  response.destroy();
  return false;
};

/** [PutRecords]: a network failure after the put; a retry then leaves duplicates. Everything is kept. */
export const loseAnswer: AwsFault = (response) => {
  response.destroy();
  return NO_FAILURE;
};

/** [Retries]: no answer at all; the client's timeout ends it. Nothing is kept. */
export const hang: AwsFault = () => false;

/** [Retries]: an answer that stops in the middle; the client's timeout ends it. Nothing is kept. */
export const hangInBody: AwsFault = (response) => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1', 'content-length': '1000' });
  response.write('{"FailedRecordCount":0,');
  return false;
};

/**
 * An answer that does not say of each record what became of it, which [PutRecords] and [PutRecordBatch] rule
 * out. Nothing is kept.
 */
export const answerShort: AwsFault = (response) => {
  send(response, 200, { FailedRecordCount: 0, Records: [], FailedPutCount: 0, RequestResponses: [] });
  return false;
};
