/** Codings of one header that are looked at: a request's head is bounded, and nobody knows more. */
const CODINGS_MAX = 100;
/** Parameters of one coding that are looked at: there is one that means something. */
const PARAMETERS_MAX = 10;

/**
 * Whether gzip may be sent, and the client does not like the plain form better (RFC 9110, 12.5.3). Without the
 * header nothing is compressed: a program that does not ask for it may not be able to read it.
 */
export function isGzipAccepted(acceptEncoding: string | undefined): boolean {
  const weights = new Map<string, number>();
  for (const part of (acceptEncoding ?? '').toLowerCase().split(',', CODINGS_MAX)) {
    const [coding = '', ...parameters] = part.split(';', PARAMETERS_MAX + 1).map((text) => text.trim());
    if (coding !== '') weights.set(coding, weightOf(parameters));
  }
  const gzip = weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0;
  return gzip > 0 && gzip >= (weights.get('identity') ?? 0);
}

/** 1 where none is given; what is no weight counts as a refusal. */
function weightOf(parameters: readonly string[]): number {
  const weight = parameters.find((parameter) => /^q\s*=/.test(parameter));
  if (weight === undefined) return 1;
  const value = /^q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(weight)?.[1];
  return value === undefined ? 0 : Number(value);
}
