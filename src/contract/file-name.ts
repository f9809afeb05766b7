import { createHash } from "node:crypto";

/** File systems take 255 bytes; what is added to a name (`.copy.gz.part`) has its room, too. */
const MOST_BYTES = 200;
const DIGEST_CHARACTERS = 16;

/** The name of a file or folder for any text, another one for another text. It names nothing above the folder that it is put in. */
export function fileName(text: string): string {
  const encoded = encodeURIComponent(text);
  if (/^\.+$/.test(encoded)) return encoded.replaceAll(".", "%2E");
  if (encoded.length <= MOST_BYTES) return encoded;
  const digest = createHash("sha256").update(text).digest("hex").slice(0, DIGEST_CHARACTERS);
  return `${encoded.slice(0, MOST_BYTES - DIGEST_CHARACTERS - 1)}-${digest}`;
}
