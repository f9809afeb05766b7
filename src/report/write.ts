import { open, rename, rm } from "node:fs/promises";
import { RehouseError } from "../errors.ts";

/** A file that is there whole or not at all: it is written beside its place, and moved there. */
export class ReportFile implements AsyncDisposable {
  readonly #path: string;
  readonly #beside: string;
  #isWritten = false;

  private constructor(path: string) {
    this.#path = path;
    this.#beside = `${path}.${process.pid}.part`;
  }

  /** Rejects with REHOUSE_USAGE at once where nothing can be written, not after an hour of comparing. */
  static async at(path: string): Promise<ReportFile> {
    const file = new ReportFile(path);
    await file.#try(async () => {
      await (await open(file.#beside, "w", 0o600)).close();
    });
    return file;
  }

  async write(text: string): Promise<void> {
    await this.#try(async () => {
      const file = await open(this.#beside, "w", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(this.#beside, this.#path);
    });
    this.#isWritten = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isWritten) await rm(this.#beside, { force: true });
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw new RehouseError("REHOUSE_USAGE", {
        what: `the report cannot be written: ${error instanceof Error ? error.message : String(error)}`,
        where: this.#path,
        fix: "give --report a file in a folder that is there and can be written to",
        cause: error,
      });
    }
  }
}
