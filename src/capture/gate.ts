/** A promise that is settled from outside: Promise.withResolvers for the oldest Node that Rehouse runs on. */
export class Gate<T = void> {
  readonly promise: Promise<T>;
  #open: (value: T) => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#open = resolve;
      this.#fail = reject;
    });
  }

  open(value: T): void {
    this.#open(value);
  }

  fail(error: unknown): void {
    this.#fail(error);
  }
}
