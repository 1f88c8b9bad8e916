import { describeOnRecordServers } from '../support/record-servers.js';
import { describeFirehoseSink } from './firehose-sink.js';
import { describeKinesisSink } from './kinesis-sink.js';

describeOnRecordServers({ kinesis: describeKinesisSink, firehose: describeFirehoseSink });
