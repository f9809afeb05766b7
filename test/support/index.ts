export { type Addresses, addresses } from "./addresses.ts";
export { type FreshDatabases, freshDatabases, withDatabase } from "./databases.ts";
export { applyGateSql, Gate, type GateName, gateSql } from "./gate.ts";
export { type FileBody, Migration, type Pair, type Story } from "./migration.ts";
export { type Ended, RehouseProcess } from "./process.ts";
export { Random } from "./random.ts";
export { Clients, SHOP_FILE, shopPairs, shopSql, TENANTS } from "./shop.ts";
export { Sql, type TextRow } from "./sql.ts";
export { waitUntil } from "./wait-until.ts";
