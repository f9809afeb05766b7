/** Server-Sent Events out of the text of a stream, as the HTML standard has them (9.2.6). Pure. */

export type Frame = { readonly id: string | undefined; readonly event: string; readonly data: string };

export class FrameParser {
  #rest = "";

  /** The frames that the text completes. Text may be cut anywhere, also between CR and LF: the server sends LF alone. */
  push(text: string): Frame[] {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap(frameOf);
  }
}

/** Comments, and what has no data, are none. */
function frameOf(block: string): Frame[] {
  let [event, id]: [string, string | undefined] = ["message", undefined];
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [, field, value = ""] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === "event") event = value;
    else if (field === "id") id = value;
    else if (field === "data") data.push(value);
  }
  return data.length === 0 ? [] : [{ event, id, data: data.join("\n") }];
}
