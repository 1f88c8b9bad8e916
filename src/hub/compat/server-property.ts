import { readFrame } from '../form.js';
import { encodeFrame } from '../frame.js';
import { isJsonObject } from '../http/json-object.js';
import type { FrameStamp } from '../store.js';

/**
 * Adds to the data of each event, where that is a JSON object, a property that says which node delivered it. What the
 * publisher wrote stays as it is, to the digit; a property of that name that it had is overruled.
 */
export function createServerStamp(property: string, node: string): FrameStamp {
  const member = `${JSON.stringify(property)}:${JSON.stringify(node)}}`;
  return (frame, cursor) => {
    const { id, event, data, ...retry } = readFrame(frame);
    if (!isJsonObject(data)) return frame;
    const open = data.trimEnd().slice(0, -1).trimEnd();
    const stamped = open === '{' ? `{${member}` : `${open},${member}`;
    const type = event === 'message' ? {} : { event };
    return encodeFrame({ ...(id === cursor ? {} : { id }), ...type, ...retry, data: stamped }, cursor);
  };
}
