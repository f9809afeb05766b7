import { GiveUp, until, type Wait } from "../../stack/index.ts";

/**
 * Waits until `condition` holds. The servers run, so a question that fails is not one to ask again: it ends the wait, and does not hide
 * behind its deadline.
 */
export async function waitUntil(condition: () => Promise<boolean>, wait: Wait): Promise<void> {
  await until(async () => {
    try {
      return await condition();
    } catch (error) {
      throw new GiveUp(`while waiting for ${wait.what}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }, wait);
}
