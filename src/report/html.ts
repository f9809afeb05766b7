/** HTML in which nothing that is put in can be anything but text. */

export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A tagged template: what is put in is escaped, unless it is {@link Html} itself. */
export function html(texts: TemplateStringsArray, ...parts: readonly (Html | readonly Html[] | string | number)[]): Html {
  return new Html(texts.map((text, index) => text + written(parts[index] ?? "")).join(""));
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function written(part: Html | readonly Html[] | string | number): string {
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map(({ text }) => text).join("");
  return String(part).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
