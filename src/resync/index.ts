/** Back in step after the stream has lost changes. See README.md beside this file. */

export { beginResync, type ResyncBegun, type ResyncDeps } from "./begin.ts";
export { type FinishDeps, finishResyncs } from "./finish.ts";
