import { verifyS3Archive } from '../../ingest/index.js';
import { quote } from '../../protocol/index.js';
import type { ArchiveReport, Finding } from '../../ingest/index.js';
import { formatSize } from '../config/index.js';
import type { Settings } from '../config/index.js';
import { CliError } from '../errors.js';
import { writeFully } from '../io.js';
import type { Command } from '../verbs.js';

/** `tidegate verify`: says what an archive's manifests prove, and fails where it has a gap or a duplicate. */
export const verify: Command = async ({ settings, io }) => {
  const report = await verifyS3Archive(optionsOf(settings), io.signal);
  await writeFully(io.stdout, settings.json ? `${JSON.stringify(report)}\n` : render(report));
  // Nothing proves nothing: it is a wrong bucket or prefix more often than an archive that was never begun.
  if (report.objects === 0)
    throw new CliError(
      'failed',
      `There is no manifest in ${settings['sink.s3.bucket'] ?? ''} under ${quote(settings['sink.s3.manifestPrefix'])}: look at both names`,
    );
  if (!report.isSound) throw new CliError('failed', 'The archive is not whole, or holds events twice');
};

function optionsOf(settings: Settings): Parameters<typeof verifyS3Archive>[0] {
  const [region, endpoint] = [settings['sink.s3.region'], settings['sink.s3.endpoint']];
  return {
    bucket: settings['sink.s3.bucket'] ?? '',
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    manifestPrefix: settings['sink.s3.manifestPrefix'],
    readsData: settings.deep,
  };
}

function render({ objects, events, bytes, chains, findings }: ArchiveReport): string {
  const head = `${counted(objects, 'object')}, ${counted(events, 'event')}, ${formatSize(bytes)}, ${counted(chains, 'chain')}`;
  const sound = objects === 0 ? [] : ['no gap, no duplicate'];
  const lines = findings.length === 0 ? sound : findings.map(describe);
  return `${[head, ...lines].join('\n')}\n`;
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

function describe(finding: Finding): string {
  switch (finding.kind) {
    case 'gap':
      return `gap: objects ${finding.from} to ${finding.to} of chain ${finding.chain} are missing`;
    case 'broken-link':
      return `broken link: ${finding.key} begins after "${finding.after}", the object before it ends with "${finding.expected}"`;
    case 'duplicate':
      return `duplicate: ${finding.events} events, in ${finding.keys.join(' and ')}`;
    case 'missing-object':
      return `missing: ${finding.key} with ${finding.events} events`;
    case 'different-object':
      return `different: ${finding.key} is not what its manifest says`;
    case 'unreadable-manifest':
      return `unreadable: ${finding.key} is no manifest that can be read; what its object holds is not known`;
    case 'new-chain':
      return `new chain: from ${finding.key} on; nothing tells what lies between it and the chain before`;
  }
}
