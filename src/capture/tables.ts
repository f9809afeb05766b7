/**
 * The source tables as the stream last announced them, each with its registered schemas and its encoder. A new shape has to be looked up
 * and registered first, which takes time: {@link CapturedTables.knows} says whether rows can be taken at once.
 */

import {
  Encoder,
  type EnvelopeColumn,
  keySchema,
  type Slab,
  type SourceStamp,
  subjectOf,
  valueSchema,
} from "../envelope/index.ts";
import { RehouseError } from "../errors.ts";
import { type Mapping, newColumns, type TableKind, type TableMapping, tableText } from "../model/mapping.ts";
import type { Database, Relation, SchemaRegistry } from "../ports.ts";
import type { KnownTables, SourceChange } from "./source-tables.ts";

export type CapturedTable = {
  readonly kind: TableKind;
  /** `schema.table`, for people. */
  readonly name: string;
  /** The `table` header. */
  readonly header: Buffer;
  readonly relation: Relation;
  /** Indexes of the key's columns; -1 for one that the table no longer has. */
  readonly key: readonly number[];
  /** Index of the tenant column; -1 when the table has none, or needs none. */
  readonly tenantIndex: number;
  /** The tenant comes with the blanks of a char(n), which are no part of the value. */
  readonly tenantIsPadded: boolean;
  /** Whether an old row or key that the server sends holds the tenant. */
  readonly tenantInIdentity: boolean;
  /** The tenant whom all rows of the table are, where no column says so. */
  readonly owner: Buffer | undefined;
  readonly encoder: Encoder;
};

export type TablesOptions = {
  readonly mapping: Mapping;
  readonly source: Database;
  readonly registry: SchemaRegistry;
  readonly topic: string;
  readonly slab: Slab;
  readonly stamp: SourceStamp;
  readonly known: KnownTables;
  /** Bytes of the longest message that the topic takes. */
  readonly limit: number;
  /** A table has not the columns that the mapping was made for. */
  readonly onChange: (change: SourceChange) => void;
};

/** The type's oid in pg_type.dat, the same everywhere. */
const BPCHAR = 1042;

export class CapturedTables {
  readonly #of: TablesOptions;
  readonly #mappings: ReadonlyMap<string, TableMapping>;
  /** By shape: the server announces a relation again after every change of its catalog entry, mostly with nothing changed for us. */
  readonly #byShape = new Map<string, CapturedTable>();
  readonly #current = new Map<Relation, CapturedTable>();
  readonly #currentById = new Map<number, Relation>();

  constructor(of: TablesOptions) {
    this.#of = of;
    this.#mappings = new Map(of.mapping.tables.map((table) => [tableText(table.source), table]));
  }

  /** Takes note of an announced relation when its shape is known; false: {@link learn} it first. */
  knows(relation: Relation): boolean {
    if (this.#mappingOf(relation) === undefined) return true;
    const known = this.#byShape.get(shapeOf(relation));
    if (known === undefined) return false;
    this.#announce(relation, known);
    return true;
  }

  /**
   * Undefined for a table that does not move, where that may be: once the tables are known, the stream has rows of no other. (A partition is
   * announced beside its root, whose name its rows come under.)
   */
  get(relation: Relation): CapturedTable | undefined {
    const table = this.#current.get(relation);
    if (table === undefined && this.#of.known.size > 0) throw notOurs(relation);
    return table;
  }

  async learn(relation: Relation): Promise<void> {
    const mapping = this.#mappingOf(relation);
    if (mapping === undefined) return;
    const table = await this.#capture(relation, mapping);
    this.#byShape.set(shapeOf(relation), table);
    this.#announce(relation, table);
  }

  /** By its oid, since the table may have another name now; by its name where nothing was written down. */
  #mappingOf(relation: Relation): TableMapping | undefined {
    return this.#mappings.get(this.#of.known.get(relation.id) ?? tableText(relation));
  }

  #announce(relation: Relation, table: CapturedTable): void {
    const replaced = this.#currentById.get(relation.id);
    if (replaced !== undefined) this.#current.delete(replaced);
    this.#currentById.set(relation.id, relation);
    this.#current.set(relation, table);
  }

  async #capture(relation: Relation, mapping: TableMapping): Promise<CapturedTable> {
    const { topic, registry, slab, stamp } = this.#of;
    const { migration } = this.#of.mapping;
    const name = tableText(mapping.source);
    const columns = await this.#columns(relation);
    for (const what of differences(columns, mapping)) this.#of.onChange({ table: name, what, fix: NOT_CARRIED });
    const identityColumns = relation.columns.filter((column) => column.inIdentity).map((column) => column.name);
    const value = valueSchema({ migration, table: mapping.source, columns, identity: relation.identity, identityColumns });
    const key = keySchema({ migration, table: mapping.source, key: mapping.sourceKey });
    const [valueSchemaId, keySchemaId] = await Promise.all([
      registry.register(subjectOf(topic, value.fullName), value.text),
      registry.register(subjectOf(topic, key.fullName), key.text),
    ]);
    const tenantIndex = tenantIndexOf(relation, mapping);
    const index = new Map(relation.columns.map((column, i) => [column.name, i]));
    const keyColumns = mapping.sourceKey.map((column) => index.get(column) ?? -1);
    return {
      kind: mapping.kind,
      name,
      header: Buffer.from(name),
      relation,
      key: keyColumns,
      tenantIndex,
      tenantIsPadded: relation.columns[tenantIndex]?.typeOid === BPCHAR,
      tenantInIdentity: relation.columns[tenantIndex]?.inIdentity ?? false,
      owner: mapping.fixed === undefined ? undefined : Buffer.from(mapping.fixed.tenant),
      encoder: new Encoder({
        slab,
        source: stamp,
        table: mapping.source,
        columns: columns.length,
        valueSchemaId,
        keySchemaId,
        keyName: name,
        keyColumns,
        limit: this.#of.limit,
      }),
    };
  }

  async #columns(relation: Relation): Promise<EnvelopeColumn[]> {
    const types = await this.#of.source.query(
      "SELECT format_type(oid, typmod) AS type FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY AS of_column (oid, typmod, position) ORDER BY position",
      [`{${relation.columns.map((column) => column.typeOid)}}`, `{${relation.columns.map((column) => column.typmod)}}`],
    );
    return relation.columns.map((column, i) => ({ name: column.name, pgType: types[i]?.["type"] ?? "???" }));
  }
}

/** The publication has the tables of the mapping alone, and partitions under the name of their root. */
function notOurs(relation: Relation): RehouseError {
  return new RehouseError("REHOUSE_SCHEMA_CHANGED", {
    what: `the stream has rows of ${tableText(relation)}, which does not move: somebody has altered the publication`,
    where: tableText(relation),
    fix: "cancel the migration and begin it again",
  });
}

const NOT_CARRIED = "bring the target in line with the source where it is not";

/** What a person should know; what cannot be applied stops its tenants besides. */
function differences(columns: readonly EnvelopeColumn[], mapping: TableMapping): string[] {
  const now = new Map(columns.map((column) => [column.name, column.pgType]));
  const before = new Map(mapping.sourceColumns.map((column) => [column.name, column]));
  const ours = new Set(mapping.inPlace === undefined ? [] : newColumns(mapping).map(({ name }) => name));
  return [
    ...[...now].flatMap(([name, type]) =>
      before.has(name) || ours.has(name) ? [] : [`the column ${name} (${type}) was added; it is not carried over`],
    ),
    ...[...before.values()].flatMap(({ name, type, generated }) => {
      const found = now.get(name);
      if (found === undefined) return generated ? [] : [`the column ${name} is gone`];
      return found === type ? [] : [`the column ${name} is ${found} now, and was ${type}`];
    }),
  ];
}

function shapeOf(relation: Relation): string {
  return JSON.stringify([relation.id, relation.schema, relation.table, relation.identity, relation.columns]);
}

function tenantIndexOf(relation: Relation, mapping: TableMapping): number {
  if (mapping.kind !== "tenant" || mapping.fixed !== undefined) return -1;
  const index = relation.columns.findIndex((column) => column.name === mapping.tenantColumn);
  if (index >= 0) return index;
  throw new RehouseError("REHOUSE_SCHEMA_CHANGED", {
    what: `the table no longer has its tenant column ${mapping.tenantColumn}, so nobody can say whose its rows are`,
    where: tableText(relation),
    fix: "give the table its tenant column back, or cancel the migration and begin it again with a file that fits",
  });
}
