/** An error as every error of Rehouse is told: what, what to do, and the code to look up. */

import type { Trouble } from "../api/failure.ts";

export function TroubleNote({ trouble, title }: { readonly trouble: Trouble; readonly title?: string | undefined }) {
  return (
    <div class="note note-bad" role="alert">
      {title !== undefined && <strong>{title}</strong>}
      <p>{trouble.what}</p>
      {trouble.fix !== null && <p class="muted">{trouble.fix}</p>}
      <code>{trouble.code}</code>
    </div>
  );
}
