/** Where a value was written. */
export type Origin =
  | { readonly kind: 'flag'; readonly name: string }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string; readonly line: number };

/** A value as it was written, before it is checked. */
export interface Written {
  readonly raw: unknown;
  readonly origin: Origin;
}

/** `flag --http.port`, `variable HTTP_PORT`, `tidegate.yaml:3`. */
export function describeOrigin(origin: Origin): string {
  return origin.kind === 'file' ? `${origin.path}:${origin.line}` : `${origin.kind} ${origin.name}`;
}
