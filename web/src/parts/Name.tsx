/** A name that users have given, as it is and on one line: it turns nothing around it, and nothing in it is markup. */

import { oneLine } from "../format.ts";

export function Name({ text }: { readonly text: string }) {
  return (
    <bdi class="name" title={oneLine(text)}>
      {oneLine(text)}
    </bdi>
  );
}
