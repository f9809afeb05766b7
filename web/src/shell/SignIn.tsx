/** Asks for a token: the whole view where nothing can be seen without, or the place of what needs one. */

import { useId, useState } from "preact/hooks";
import { refused, signIn } from "../api/session.ts";
import { Command } from "../parts/Command.tsx";
import { TroubleNote } from "../parts/TroubleNote.tsx";

export function SignIn({ what }: { readonly what: string }) {
  const [text, setText] = useState("");
  const id = useId();
  const submit = (event: Event) => {
    event.preventDefault();
    if (text.trim() !== "") signIn(text.trim());
  };
  return (
    <section class="panel sign-in" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>A token is needed to see {what}</h2>
      {refused.value !== null && <TroubleNote trouble={refused.value} />}
      <form onSubmit={submit}>
        <label for={id}>Token</label>
        <div class="field-row">
          <input
            id={id}
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <button type="submit" class="primary" disabled={text.trim() === ""}>
            Sign in
          </button>
        </div>
      </form>
      <p class="muted">It stays in this tab until that is closed. Somebody who can write to the target makes one:</p>
      <Command text="rehouse serve token create --role viewer --name dashboard --expires 90d" />
    </section>
  );
}
