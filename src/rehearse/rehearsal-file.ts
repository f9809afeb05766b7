/**
 * The migration file as a rehearsal has it: the same mapping, between the copies. The roles are processes of their own and read the user's
 * file; the environment tells them that they rehearse.
 */

import { z } from "zod";
import { RehouseError } from "../errors.ts";
import type { Environment, MigrationFile, ServerAddress } from "../file/index.ts";
import { rehearsalName, scratchDatabase } from "./names.ts";

export const REHEARSAL_VARIABLE = "REHOUSE_REHEARSAL";

/** Where the copies are. */
export type Whereabouts = {
  /** URL of a server of their own; null: beside the target. */
  readonly on: string | null;
  /** Source and target are one database, and so is their copy. */
  readonly inPlace: boolean;
};

export type Copies = { readonly source: ServerAddress; readonly target: ServerAddress };

const whereabouts = z.strictObject({ on: z.string().nullable(), inPlace: z.boolean() });

/** Where the copy of the source keeps which tenants it has. */
export const CHOSEN = { schema: "rehouse_rehearsal", table: "tenant" } as const;
const CHOSEN_TENANTS = "SELECT tenant FROM rehouse_rehearsal.tenant";

export function rehearsalEnvironment(at: Whereabouts): Record<string, string> {
  return { [REHEARSAL_VARIABLE]: JSON.stringify(at) };
}

/** The file itself, or what the environment makes of it. */
export function asRehearsed(file: MigrationFile, env: Environment): MigrationFile {
  const text = env[REHEARSAL_VARIABLE];
  if (text === undefined) return file;
  return rehearsalFile(file, copiesOf(file, parse(text)));
}

function parse(text: string): Whereabouts {
  try {
    return whereabouts.parse(JSON.parse(text));
  } catch (cause) {
    throw new RehouseError("REHOUSE_USAGE", {
      what: `${REHEARSAL_VARIABLE} is not what a rehearsal gives its processes.`,
      fix: `unset ${REHEARSAL_VARIABLE}; it is not for people`,
      cause,
    });
  }
}

export function copiesOf({ name, target }: Pick<MigrationFile, "name" | "target">, { on, inPlace }: Whereabouts): Copies {
  const server: ServerAddress = on === null ? target : { url: on, replicationUrl: on, tls: undefined };
  const copy = (side: "source" | "target"): ServerAddress => ({
    ...server,
    url: withDatabase(server.url, scratchDatabase(name, side)),
    replicationUrl: withDatabase(server.replicationUrl, scratchDatabase(name, side)),
  });
  return { source: copy(inPlace ? "target" : "source"), target: copy("target") };
}

/**
 * What is decided for the application outside (its webhook, the criteria that ask its tables or its health) is left out: nobody is to hear of a
 * switch that did not happen.
 */
export function rehearsalFile(file: MigrationFile, { source, target }: Copies): MigrationFile {
  const { tenants, rollback } = file;
  return {
    ...file,
    name: rehearsalName(file.name),
    source: { ...source, failoverSlot: false },
    target,
    tenants:
      tenants === undefined || tenants.move.kind === "all"
        ? tenants
        : { ...tenants, move: { kind: "query", sql: CHOSEN_TENANTS } },
    route: { webhook: undefined },
    rollback: rollback.possible ? { ...rollback, when: [], action: "alert" } : rollback,
  };
}

function withDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  other.searchParams.delete("dbname");
  return other.href;
}
