/** A file system of a few megabytes for a Postgres server of this machine, to be filled up. */

import { spawnSync } from "node:child_process";
import { mkdtemp, open, rm, rmdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";

const SIZE = "48m";
const BLOCK = Buffer.alloc(64 * 1024);

/** Undefined where a file system can be mounted. */
export function whyNoSmallDisk(): string | undefined {
  if (process.platform !== "linux") return "mounts a tmpfs, which only Linux has";
  if (process.getuid?.() !== 0) return "mounts a file system, which only root may";
  // A container's root need not be allowed to.
  const tried = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { stdio: "ignore" });
  return tried.status === 0 ? undefined : "mounts a file system, which is not allowed here";
}

export class SmallDisk {
  /** The tablespace that lies on it. */
  static readonly tablespace = "small_disk";
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** `url`: a superuser's, of a server that sees this machine's files. */
  static async mount(url: string): Promise<SmallDisk> {
    const folder = await mkdtemp(join(tmpdir(), "rehouse-disk-"));
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query<{ data_directory: string }>("SHOW data_directory");
      const { uid, gid } = await stat(rows[0]?.data_directory ?? "");
      const options = `size=${SIZE},mode=700,uid=${uid},gid=${gid}`;
      const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { encoding: "utf8" });
      if (status !== 0) throw new Error(`mount: ${stderr}`);
      await client.query(`CREATE TABLESPACE ${SmallDisk.tablespace} LOCATION ${client.escapeLiteral(folder)}`);
      return new SmallDisk(folder);
    } finally {
      await client.end();
    }
  }

  /** To the last byte. */
  async fill(): Promise<void> {
    const file = await open(this.#filler, "w");
    try {
      for (;;) await file.write(BLOCK);
    } catch (error) {
      if (!(error instanceof Error && Reflect.get(error, "code") === "ENOSPC")) throw error;
    } finally {
      await file.close();
    }
  }

  async free(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  /** Once the server has ended. */
  async unmount(): Promise<void> {
    spawnSync("umount", [this.#folder]);
    await rmdir(this.#folder);
  }

  get #filler(): string {
    return join(this.#folder, "filler");
  }
}
