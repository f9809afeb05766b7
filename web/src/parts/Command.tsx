/** A command line to copy. It is shown, not run: a person decides. */

import { useEffect, useState } from "preact/hooks";

const SAID_FOR_MS = 1_500;

export function Command({ text }: { readonly text: string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), SAID_FOR_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  return (
    <span class="command">
      <code>{text}</code>
      {/* Without TLS, and off this machine, browsers give no clipboard: the text can be marked by hand. */}
      {navigator.clipboard !== undefined && (
        <button
          type="button"
          class="quiet"
          aria-label={`Copy: ${text}`}
          onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
        >
          {isCopied ? "copied" : "copy"}
        </button>
      )}
    </span>
  );
}
