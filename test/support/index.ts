export { type Addresses, addresses } from "./addresses.ts";
export { type FreshDatabases, freshDatabases, withDatabase } from "./databases.ts";
export { waitUntil } from "./wait-until.ts";
