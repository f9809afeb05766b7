/** What `import ... from "rehouse/router"` gives: for applications whose tenants move. It needs no other package. */

export type { Isolation } from "./attempt.ts";
export { CommitUnknown } from "./errors.ts";
export type { RouteEvent } from "./event.ts";
export type { Home } from "./homes.ts";
export type { RouterClient, RouterPool, RouterResult } from "./pool.ts";
export { Router, type RouterOptions, type TransactionOptions } from "./router.ts";
export { type Delivered, verifyWebhook } from "./webhook.ts";
