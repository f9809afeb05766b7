/** The one table of the lane's tests, its rows, and how they come and go. */

import { Scene } from "./scene.ts";
import { table } from "./tables.ts";
import type { RowChange, Values } from "./topic.ts";

const items = table({ name: "items", columns: ["id bigint", "tenant_id text", "name text", "n integer"] });
const ITEMS = "CREATE TABLE public.items (id bigint PRIMARY KEY, tenant_id text, name text UNIQUE, n integer CHECK (n >= 0));";
export const ALL = "SELECT id, tenant_id, name, n FROM public.items ORDER BY id";

export const open = (over: { target?: string; plainRole?: boolean } = {}) =>
  Scene.open({ tables: [items], target: ITEMS, ...over });

export function row(op: RowChange["op"], id: number, tenant: string, name = `i${id}`, n = 0): RowChange {
  const values: Values = [`${id}`, tenant, name, `${n}`];
  const key: Values = [`${id}`, tenant, null, null];
  return { op, table: "public.items", tenant, ...(op === "delete" ? { before: key } : { after: values }) };
}

/** As an update of the key arrives: with the old key. */
export function moved(from: number, to: number, tenant: string, name: string): RowChange {
  return {
    op: "update",
    table: "public.items",
    tenant,
    before: [`${from}`, tenant, null, null],
    after: [`${to}`, tenant, name, "0"],
  };
}
