import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Whether an engine answers that can run a compose file. A docker command without its engine, or without compose, is no Docker. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    // Without a format `docker info` ends well even if only the client is there.
    const { stdout } = await run("docker", ["info", "--format", "{{.ServerVersion}}"], { timeout: 10_000 });
    await run("docker", ["compose", "version"], { timeout: 10_000 });
    return stdout.trim() !== "";
  } catch {
    return false;
  }
}
