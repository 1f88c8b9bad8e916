import { isRecord, readJson, textOr } from './json.js';

/** Why the hub refused a request: the parts of its problem+json (RFC 9457) that people need. */
export interface Problem {
  /** The stable code, or `http-<status>` where the answer named none. */
  readonly code: string;
  readonly detail: string;
}

const BODY_CHARACTERS_MAX = 300;

/** Reads what a refusal says; an answer that is no problem+json is quoted by its beginning. */
export async function readProblem(response: Response): Promise<Problem> {
  const body = await response.text().catch(() => '');
  return problemOf(response.status, body);
}

export function problemOf(status: number, body: string): Problem {
  const value = readJson(body);
  const fields = isRecord(value) ? value : {};
  const said = body.trim().slice(0, BODY_CHARACTERS_MAX);
  const fallback = said === '' || said.startsWith('<') || isRecord(value) ? `The hub answered ${status}` : said;
  return {
    code: textOr(fields['code'], `http-${status}`),
    detail: textOr(fields['detail'], textOr(fields['title'], fallback)),
  };
}
