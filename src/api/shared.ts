/** One question at a time: whoever asks meanwhile, or within `forMs` after it, gets the same answer. A failure is kept for nobody. */
export function shared<T>(ask: () => Promise<T>, forMs: number): () => Promise<T> {
  let newest: { readonly answer: Promise<T>; untilMs: number } | undefined;
  return () => {
    if (newest !== undefined && newest.untilMs > performance.now()) return newest.answer;
    const current = { answer: ask(), untilMs: Number.POSITIVE_INFINITY };
    newest = current;
    current.answer.then(
      () => {
        current.untilMs = performance.now() + forMs;
      },
      () => {
        current.untilMs = 0;
      },
    );
    return current.answer;
  };
}
