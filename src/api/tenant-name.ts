import { z } from "zod";

/** A tenant's name may be any text that Postgres can hold. */
export const tenantName = z
  .string()
  .max(1_000)
  .refine((name) => !name.includes("\0"), "no text of Postgres holds a NUL");

/** Those that a request names. */
export const fewTenants = z
  .array(tenantName)
  .min(1)
  .max(1_000)
  .refine((names) => new Set(names).size === names.length, "a tenant is named twice")
  .meta({ uniqueItems: true });
