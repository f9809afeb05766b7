/** A window that has to be answered first: the browser's own dialog, which keeps the focus inside, closes with Escape, and gives the focus back. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";

type Props = {
  readonly title: ComponentChildren;
  readonly onClose: () => void;
  /** What may be done from here; it stays in sight while the rest is scrolled. */
  readonly buttons: ComponentChildren;
  /** Where it goes on to another step the focus begins at the title again: the button that had it may be gone. */
  readonly step?: string;
  readonly children: ComponentChildren;
};

export function Dialog({ title, onClose, buttons, step = "", children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const isFirst = useRef(true);
  const isGone = useRef(false);
  const id = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      isGone.current = true;
      element?.close();
      // Taken out of the page, a dialog gives back nothing.
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  // Another step is the reason
  useEffect(() => {
    if (!isFirst.current) heading.current?.focus();
    isFirst.current = false;
  }, [step]);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      // A browser may close it by itself when Escape is pressed twice; that it was closed from here is heard of later, and is no news.
      onClose={() => isGone.current || onClose()}
    >
      <h2 id={id} ref={heading} tabIndex={-1}>
        {title}
      </h2>
      {/* What is scrolled can be reached by the keyboard. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls takes the arrows */}
      <section class="dialog-body" aria-labelledby={id} tabIndex={0}>
        {children}
      </section>
      <div class="dialog-buttons">{buttons}</div>
    </dialog>
  );
}
