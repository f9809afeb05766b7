/** A part of a view, with its heading. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

type Props = {
  readonly title: string;
  readonly beside?: ComponentChildren;
  readonly kind?: string;
  readonly children: ComponentChildren;
};

export function Panel({ title, beside, kind = "", children }: Props) {
  const id = useId();
  return (
    <section class={`panel ${kind}`} aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>{title}</h2>
        {beside !== undefined && <div class="panel-beside">{beside}</div>}
      </div>
      {children}
    </section>
  );
}
