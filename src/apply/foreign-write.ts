import { z } from "zod";
import { RehouseError } from "../errors.ts";
import type { ServerError } from "../ports.ts";
import { Refusal } from "./plan.ts";
import { meaningOf } from "./refusals.ts";

const detailSchema = z.object({ tenant: z.string(), table: z.string() });

/** What rehouse.refuse_foreign_writes() says, as a reason for the tenant to stop; undefined for any other error. No change is to blame. */
export function foreignWrite(error: ServerError): Refusal | undefined {
  if (meaningOf(error) !== "foreign-write") return undefined;
  const { tenant, table } = detailSchema.parse(JSON.parse(error.detail ?? "{}"));
  return new Refusal({
    tenant,
    table,
    cause: new RehouseError("REHOUSE_FOREIGN_WRITE", {
      what: error.message,
      where: table,
      fix: `look at both images in rehouse.foreign_write; \`rehouse retry --tenant ${tenant}\` goes on, and the source wins`,
      cause: error,
    }),
  });
}
