import { isPooledAtTarget, type Mapping, type TableMapping, tableText, targetOf } from "../model/mapping.ts";
import type { Database } from "../ports.ts";
import type { Plan } from "./plan.ts";
import type { OrderedChanges } from "./statements.ts";
import { type TableWriter, tableWriter } from "./table-writer.ts";

/** The writers of every table and tenant, made when they are first needed, and the order in which tables are written. */
export class Writers {
  readonly #mapping: Mapping;
  /** GENERATED ALWAYS AS IDENTITY columns by table, of the source and of the target. */
  readonly #alwaysIdentity: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #atTarget: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #order: ReadonlyMap<string, number>;
  readonly #made = new Map<string, TableWriter>();
  /** The same by table and tenant: it is asked for each change, and to put a name together took a twentieth of an applier's time. */
  readonly #asked = new Map<TableMapping, Map<string, TableWriter>>();

  private constructor(
    mapping: Mapping,
    alwaysIdentity: ReadonlyMap<string, ReadonlySet<string>>,
    atTarget: ReadonlyMap<string, ReadonlySet<string>>,
    order: ReadonlyMap<string, number>,
  ) {
    this.#mapping = mapping;
    this.#alwaysIdentity = alwaysIdentity;
    this.#atTarget = atTarget;
    this.#order = order;
  }

  /** Tables that are made at the target later on are made like the source's. */
  static async load(mapping: Mapping, source: Database, target: Database): Promise<Writers> {
    const [alwaysIdentity, atTarget] = await Promise.all([identitiesOf(source), identitiesOf(target)]);
    const references = await source.query(
      `SELECT child.nspname || '.' || c.relname AS child, parent.nspname || '.' || p.relname AS parent
         FROM pg_constraint AS f
         JOIN pg_class AS c ON c.oid = f.conrelid JOIN pg_namespace AS child ON child.oid = c.relnamespace
         JOIN pg_class AS p ON p.oid = f.confrelid JOIN pg_namespace AS parent ON parent.oid = p.relnamespace
        WHERE f.contype = 'f'`,
    );
    const edges = references.map((row) => ({ child: row["child"] ?? "", parent: row["parent"] ?? "" }));
    return new Writers(
      mapping,
      alwaysIdentity,
      atTarget,
      parentsFirst(
        mapping.tables.map((table) => tableText(table.source)),
        edges,
      ),
    );
  }

  of(table: TableMapping, tenant: string): TableWriter {
    let byTenant = this.#asked.get(table);
    if (byTenant === undefined) {
      byTenant = new Map();
      this.#asked.set(table, byTenant);
    }
    let writer = byTenant.get(tenant);
    if (writer === undefined) {
      writer = this.#make(table, tenant);
      byTenant.set(tenant, writer);
    }
    return writer;
  }

  /** One writer for all tenants whose rows share a table, since what they write is one statement. */
  #make(table: TableMapping, tenant: string): TableWriter {
    const name = isPooledAtTarget(this.#mapping, table) ? tableText(table.source) : `${tableText(table.source)}\0${tenant}`;
    let writer = this.#made.get(name);
    if (writer === undefined) {
      const always = this.#alwaysIdentity.get(tableText(table.source)) ?? new Set();
      const renamed = table.columns
        .filter((column) => column.plain !== undefined && always.has(column.plain))
        .map((column) => column.name);
      const target = targetOf(this.#mapping, table, tenant);
      const atTarget = this.#atTarget.get(tableText(target)) ?? [];
      writer = tableWriter(table, target, {
        alwaysIdentity: new Set([...renamed, ...atTarget]),
        isPooled: table.kind === "tenant" && isPooledAtTarget(this.#mapping, table),
      });
      this.#made.set(name, writer);
    }
    return writer;
  }

  /** Whether the table that an error of the target names holds rows of this tenant. */
  writesTo(tenant: string, target: string | undefined): boolean {
    return this.#mapping.tables.some((table) => tableText(targetOf(this.#mapping, table, tenant)) === target);
  }

  /** Parents before their children. */
  inOrder(changes: Plan["changes"]): OrderedChanges {
    return [...changes].sort(([a], [b]) => this.#rank(a) - this.#rank(b));
  }

  #rank(writer: TableWriter): number {
    return this.#order.get(tableText(writer.table.source)) ?? 0;
  }
}

async function identitiesOf(database: Database): Promise<Map<string, Set<string>>> {
  const rows = await database.query(
    `SELECT n.nspname || '.' || c.relname AS name, a.attname AS column
       FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE a.attidentity = 'a' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')`,
  );
  const found = new Map<string, Set<string>>();
  for (const row of rows) {
    const columns = found.get(row["name"] ?? "") ?? new Set();
    found.set(row["name"] ?? "", columns.add(row["column"] ?? ""));
  }
  return found;
}

/** Depth-first, so that a table comes after all that it refers to; tables of a cycle come in the order of the file. */
export function parentsFirst(
  tables: readonly string[],
  edges: readonly { child: string; parent: string }[],
): Map<string, number> {
  const order = new Map<string, number>();
  const visiting = new Set<string>();
  const visit = (table: string): void => {
    if (order.has(table) || visiting.has(table)) return;
    visiting.add(table);
    for (const edge of edges) if (edge.child === table && tables.includes(edge.parent)) visit(edge.parent);
    order.set(table, order.size);
  };
  for (const table of tables) visit(table);
  return order;
}
