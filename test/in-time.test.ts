import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { inTime, settled, TimedOut } from "../src/in-time.ts";

const never = new Promise<never>(() => undefined);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("work that is waited for", () => {
  it("gives what it gives, or fails as it fails, and leaves no timer behind", async () => {
    expect(await inTime(Promise.resolve(7), 1_000, "late")).toBe(7);
    await expect(inTime(Promise.reject(new Error("no")), 1_000, "late")).rejects.toThrow("no");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is no longer waited for when its time is over", async () => {
    const outcome = expect(inTime(never, 1_000, "no answer")).rejects.toThrow(new TimedOut("no answer, after 1000 ms"));
    await vi.advanceTimersByTimeAsync(1_000);
    await outcome;
  });

  it("is no longer waited for when the signal aborts, also before it", async () => {
    const over = new AbortController();
    const outcome = expect(inTime(never, 1_000, "late", over.signal)).rejects.toThrow("enough");
    over.abort(new Error("enough"));
    await outcome;
    await expect(inTime(Promise.resolve(7), 1_000, "late", over.signal)).rejects.toThrow("enough");
    await expect(inTime(Promise.reject(new Error("no")), 1_000, "late", over.signal)).rejects.toThrow("enough");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("may settle in any way, or not at all", async () => {
    await settled(Promise.reject(new Error("no")), 1_000);
    expect(vi.getTimerCount()).toBe(0);
    const waited = settled(never, 1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    await waited;
  });
});
