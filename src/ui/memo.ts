import { Component, h } from 'preact';
import type { ComponentChild, FunctionComponent } from 'preact';

/** A component that renders again only when one of its props is another value (`preact/compat`'s memo, without compat). */
export function memo<P extends object>(render: (props: P) => ComponentChild): FunctionComponent<P> {
  class Memoised extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return hasChanged(this.props, next);
    }

    override render(): ComponentChild {
      return render(this.props);
    }
  }
  return (props) => h(Memoised, props);
}

function hasChanged(before: object, next: object): boolean {
  const entries = Object.entries(next);
  return (
    entries.length !== Object.keys(before).length ||
    entries.some(([name, value]) => value !== (before as Record<string, unknown>)[name])
  );
}
