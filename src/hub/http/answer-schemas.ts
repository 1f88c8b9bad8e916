import { z } from '@hono/zod-openapi';

import { PROBLEM_TYPE } from './problem.js';

/** How a route's description says that it answers JSON. */
export const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
});

/** How it says that it may refuse (PROTOCOL.md, 8.1). */
export const refused = {
  description: 'Refused',
  content: { [PROBLEM_TYPE]: { schema: z.object({ code: z.string() }) } },
};
