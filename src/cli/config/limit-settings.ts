import { integer } from './setting.js';

const MIB = 1024 * 1024;
const SERVE = ['serve'] as const;

/** The part of the table that says how much the hub takes before it refuses. */
export const LIMITS = {
  'limits.connections': integer({
    doc: 'Open connections; lowered if the process may not open so many files.',
    verbs: SERVE,
    default: 100_000,
    min: 1,
  }),
  'limits.connectionsPerAddress': integer({
    doc: 'Open connections from one address; 0: no limit, as a proxy may stand for thousands.',
    verbs: SERVE,
    default: 0,
  }),
  'limits.connectionsPerUser': integer({
    doc: 'Open connections of one user, by token; 0: no limit.',
    verbs: SERVE,
    default: 100,
  }),
  'limits.connectionsPerToken': integer({
    doc: 'Open connections with one token or API key; 0: no limit.',
    verbs: SERVE,
    default: 0,
  }),
  'limits.publishPerSecond': integer({
    doc: 'Events that one publisher (its API key, else its user, else its address) may publish a second; 0: no limit.',
    verbs: SERVE,
    default: 0,
    unit: 'events',
  }),
  'limits.channels': integer({
    doc: 'Channels; when there are as many, an idle one of the publisher with the most gives way.',
    verbs: SERVE,
    default: 1_000_000,
    min: 1,
  }),
  'limits.channelsPerConnection': integer({
    doc: 'Channels that one connection may subscribe to.',
    verbs: SERVE,
    default: 100,
    min: 1,
  }),
  'limits.eventBytes': integer({
    doc: 'Size of one event, in which a line break counts as seven bytes.',
    verbs: SERVE,
    default: MIB,
    unit: 'bytes',
    min: 1,
  }),
  'limits.bodyBytes': integer({
    doc: 'Size of one publish request; streams have no limit but that of each event.',
    verbs: SERVE,
    default: 16 * MIB,
    unit: 'bytes',
    min: 1,
  }),
  'limits.bodiesBytes': integer({
    doc: 'Size of all publish requests that are arriving, together; streams excepted. One publisher gets a quarter.',
    verbs: SERVE,
    default: 256 * MIB,
    unit: 'bytes',
    min: 1,
  }),
} as const;
