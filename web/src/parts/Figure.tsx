/** One figure with its name, and what it is made of. */

import type { ComponentChildren } from "preact";

export function Figure({
  name,
  value,
  children,
}: {
  readonly name: string;
  readonly value: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>
        <span class="value">{value}</span>
        {children !== undefined && <span class="beside">{children}</span>}
      </dd>
    </div>
  );
}
