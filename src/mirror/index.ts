/** The feed that carries home what a switched tenant's application writes. See README.md beside this file. */

export { armMirror, type MirrorDeps } from "./arm.ts";
export { type Armed, readArmed, readAsked } from "./armed.ts";
export { runMirrorControl } from "./control.ts";
export { disarmMirror, removeMirror } from "./disarm.ts";
export { type EntryPoint, enterFeed, leaveFeed } from "./feed.ts";
export { type ForwardMove, mirrorMapping, mirrorSecrets } from "./mapping.ts";
export { verifyAlongFeeds } from "./verify.ts";
