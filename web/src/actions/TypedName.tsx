/** What cannot be undone is done by whoever has typed its name. */

import { useId } from "preact/hooks";
import { oneLine } from "../format.ts";

type Props = { readonly name: string; readonly value: string; readonly onInput: (text: string) => void };

export function TypedName({ name, value, onInput }: Props) {
  const id = useId();
  return (
    <div class="typed">
      <label for={id}>Type the name to go on:</label>
      <bdi class="typed-name" id={`${id}-name`}>
        {oneLine(name)}
      </bdi>
      <input
        id={id}
        type="text"
        dir="auto"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-describedby={`${id}-name`}
        value={value}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
    </div>
  );
}
