import { mirrorName } from "../model/mirror.ts";
import type { Database } from "../ports.ts";

/** Two that arm or disarm do it one after the other: they change one publication. `home`: where the mirror's state is. */
export async function withMirrorLock<T>(
  home: Database,
  migration: string,
  signal: AbortSignal,
  body: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const session = await home.connect({ name: `rehouse ${mirrorName(migration)} arm` });
  const leave = () => void session.close(true);
  signal.addEventListener("abort", leave, { once: true });
  try {
    signal.throwIfAborted();
    await session.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", [`rehouse.arm ${mirrorName(migration)}`]);
    return await body();
  } finally {
    signal.removeEventListener("abort", leave);
    await session.close(true);
  }
}
