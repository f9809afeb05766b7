/** A migration file's tables, proposed from a catalog: what has a tenant, where it says so, and what needs care first. Pure. */

import { findColumn, type Table } from "../catalog/index.ts";
import { checkSourceTable } from "../check/source-tables.ts";
import { RehouseError } from "../errors.ts";
import { type TableName, tableText } from "../model/mapping.ts";
import { ident, qualified } from "../model/sql.ts";
import { type Candidate, tenantCandidates, throughParents } from "./candidates.ts";
import { type Link, linksOf } from "./links.ts";
import { parentsFirst } from "./order.ts";

/** What a person has to know of a table; `fix` is a statement where there is one, and empty where nothing is to be done. */
export type Care = { readonly code: string; readonly what: string; readonly fix: string };

export type Role =
  | { readonly kind: "tenant"; readonly column: string; readonly isRoot: boolean }
  | { readonly kind: "shared" }
  /** Of a move without tenants. */
  | { readonly kind: "whole" }
  /** Its tenant is the parent's, which this version cannot follow. */
  | { readonly kind: "through"; readonly column: string; readonly of: TableName }
  | { readonly kind: "left-out" };

export type ProposedTable = { readonly table: Table; readonly role: Role; readonly cares: readonly Care[] };

export type Proposal = {
  readonly tenants: Candidate | undefined;
  /** Further columns that might be it. */
  readonly others: readonly Candidate[];
  /** Shared ones first, then those of tenants, then what is left out; in each, parents before children. */
  readonly tables: readonly ProposedTable[];
  readonly circles: readonly (readonly string[])[];
};

export type Wish = { readonly column: string } | "none" | undefined;

/** `wish`: what a person says of the tenant column. REHOUSE_USAGE where no table has it. */
export function propose(all: readonly Table[], wish: Wish): Proposal {
  const tables = all.filter(({ isPartition }) => !isPartition);
  const links = linksOf(tables);
  const candidates = tenantCandidates(tables, links);
  const tenants = chosen(candidates, tables, links, wish);
  const seen: Seen = {
    tables: new Map(tables.map((table) => [tableText(table.name), table])),
    links,
    tenants,
    through: tenants === undefined ? new Map() : throughParents(tenants, links),
  };
  const isRoot = (name: string) => name === tenants?.root?.table;
  const names = [...seen.tables.keys()].toSorted((a, b) => Number(isRoot(b)) - Number(isRoot(a)) || (a < b ? -1 : 1));
  const order = parentsFirst(names, (table) => parentsOf(table, links));
  const place = new Map(order.tables.map((table, index) => [table, index]));
  const placeOf = ({ table }: ProposedTable) => place.get(tableText(table.name)) ?? 0;
  return {
    tenants,
    others: candidates.filter((candidate) => candidate !== tenants),
    tables: tables
      .map((table) => ({ table, ...roleOf(table, seen) }))
      .toSorted((a, b) => SECTION[a.role.kind] - SECTION[b.role.kind] || placeOf(a) - placeOf(b)),
    circles: order.circles,
  };
}

type Seen = {
  /** By tableText. */
  readonly tables: ReadonlyMap<string, Table>;
  readonly links: readonly Link[];
  readonly tenants: Candidate | undefined;
  readonly through: ReadonlyMap<string, Link>;
};

/** The type of the tenant's key, or of the first column that says the tenant. */
function tenantType(tables: ReadonlyMap<string, Table>, { root, holders }: Candidate): string {
  const columns: [string, string][] = [
    ...(root === undefined ? [] : [[root.table, root.key] satisfies [string, string]]),
    ...holders,
  ];
  const types = columns.flatMap(([name, column]) => {
    const table = tables.get(name);
    return table === undefined ? [] : (findColumn(table, column)?.type ?? []);
  });
  return types[0] ?? "text";
}

const SECTION: Record<Role["kind"], number> = { shared: 0, tenant: 1, whole: 1, through: 2, "left-out": 3 };

function parentsOf(table: string, links: readonly Link[]): string[] {
  const parents = links.filter((link) => link.table === table && link.parent !== table).map(({ parent }) => parent);
  return [...new Set(parents)].toSorted();
}

function chosen(
  candidates: readonly Candidate[],
  tables: readonly Table[],
  links: readonly Link[],
  wish: Wish,
): Candidate | undefined {
  if (wish === "none") return undefined;
  if (wish === undefined) return candidates[0]?.isWithin === false ? candidates[0] : undefined;
  const { column } = wish;
  const known = candidates.find((candidate) => candidate.column === column);
  if (known !== undefined) return known;
  const holders = tables.filter((table) => findColumn(table, column) !== undefined);
  if (holders.length === 0)
    throw new RehouseError("REHOUSE_USAGE", {
      what: `No table of the source has a column ${column}.`,
      fix: `leave --tenant-column out${candidates.length === 0 ? "" : `, or name one of ${candidates.map((one) => one.column).join(", ")}`}`,
    });
  const names = new Set(holders.map(({ name }) => tableText(name)));
  const root = links.find((link) => names.has(link.table) && link.columns.length === 1 && link.columns[0] === column);
  const key = root?.parentColumns[0];
  return {
    column,
    root: root === undefined || key === undefined ? undefined : { table: root.parent, key },
    holders: new Map([...names].filter((name) => name !== root?.parent).map((name) => [name, column])),
    reach: names.size,
    isWithin: false,
  };
}

/** Tables in which tools that change schemas keep what they have done: each database has its own. */
const BOOKKEEPING =
  /^(?:schema_migrations|ar_internal_metadata|flyway_schema_history|databasechangelog(?:lock)?|alembic_version|django_migrations|knex_migrations(?:_lock)?|_prisma_migrations|__drizzle_migrations|__efmigrationshistory|goose_db_version|pgmigrations|migrations|typeorm_metadata|doctrine_migration_versions)$/i;

type Judged = { readonly role: Role; readonly cares: readonly Care[] };

function roleOf(table: Table, seen: Seen): Judged {
  const { tables, links, tenants, through } = seen;
  const name = tableText(table.name);
  const leftOut = (care: Care): Judged => ({ role: { kind: "left-out" }, cares: [care] });
  if (BOOKKEEPING.test(table.name.table))
    return leftOut({
      code: "bookkeeping",
      what: "a schema tool keeps its own record in it, and each database has its own",
      fix: "",
    });
  const found = checkSourceTable(table, undefined);
  const unfit = found.find(({ code }) => code === "not-a-table" || code === "not-logged" || code === "inherited");
  if (unfit !== undefined) return leftOut(unfit);

  if (tenants === undefined) return { role: { kind: "whole" }, cares: [...found, ...remarks(table, undefined)] };
  const isRoot = tenants.root?.table === name;
  const column = isRoot ? tenants.root?.key : tenants.holders.get(name);
  if (column !== undefined)
    return {
      role: { kind: "tenant", column, isRoot },
      cares: [...checkSourceTable(table, column), ...remarks(table, column)],
    };
  const parent = through.get(name);
  const parentTable = parent === undefined ? undefined : tables.get(parent.parent);
  if (parent !== undefined && parentTable !== undefined)
    return throughParent(table, { link: parent, parent: parentTable }, tenants, tenantType(tables, tenants));
  const isOfTenants = (one: string) => tenants.holders.has(one) || through.has(one) || tenants.root?.table === one;
  const doubtful = links.find((link) => link.table === name && link.parent !== name && isOfTenants(link.parent));
  if (doubtful !== undefined)
    return leftOut({
      code: "tenant-unclear",
      what: `it refers to rows of tenants by ${doubtful.columns.join(", ")} (${doubtful.parent}), but not every row has one tenant by that`,
      fix: `give it the column ${tenants.column}, or share it whole if all tenants may see its rows`,
    });
  const isIsland = !links.some((link) => link.table === name || link.parent === name);
  const island: Care[] = isIsland
    ? [
        {
          code: "unrelated",
          what: "no table refers to it, and it to none: if it holds rows of tenants, it is not to be shared",
          fix: "",
        },
      ]
    : [];
  return { role: { kind: "shared" }, cares: [...found, ...remarks(table, undefined), ...island] };
}

function throughParent(
  table: Table,
  { link, parent }: { readonly link: Link; readonly parent: Table },
  tenants: Candidate,
  type: string,
): Judged {
  const [column = "", parentColumn = ""] = [link.columns[0], link.parentColumns[0]];
  const own = tenants.column;
  const there = link.parent === tenants.root?.table ? tenants.root.key : (tenants.holders.get(link.parent) ?? own);
  const name = qualified(table.name);
  // Where the parent has it from its own parent, it has the column by then: parents come first.
  const add = `ALTER TABLE ${name} ADD COLUMN ${ident(own)} ${type};`;
  const fill = `UPDATE ${name} AS child SET ${ident(own)} = parent.${ident(there)} FROM ${qualified(parent.name)} AS parent WHERE parent.${ident(parentColumn)} = child.${ident(column)};`;
  return {
    role: { kind: "through", column, of: parent.name },
    cares: [
      {
        code: "through-parent",
        what: `its tenant is that of ${tableText(parent.name)}, by ${column}${link.isDeclared ? "" : " (as the names have it: there is no foreign key)"}; this version finds a tenant in the table itself only`,
        fix: `${add} ${fill}  and have the application write it`,
      },
    ],
  };
}

/** What stands in the way of nothing, and is to be known all the same. */
function remarks(table: Table, tenantColumn: string | undefined): Care[] {
  const column = tenantColumn === undefined ? undefined : findColumn(table, tenantColumn);
  const nullable: Care[] =
    column === undefined || column.notNull
      ? []
      : [{ code: "tenant-null", what: `${column.name} may be NULL: such rows stay at the source`, fix: "" }];
  const partitioned: Care[] =
    table.kind === "partitioned table"
      ? [
          {
            code: "partitioned",
            what: `partitioned by ${table.partitionKey ?? "?"}, ${table.leaves.length} partitions: it becomes one plain table`,
            fix: "",
          },
        ]
      : [];
  return [...nullable, ...partitioned];
}
