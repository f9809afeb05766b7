/** {@link Access} over the state tables at the target (schemas/state/access.sql). */

import { coded, flag, text } from "../catalog/fields.ts";
import { installState } from "../control/install.ts";
import { RehouseError } from "../errors.ts";
import { arrayText } from "../model/sql.ts";
import { type Database, type Param, type Row, ServerError } from "../ports.ts";
import type { Access, AuditEntry, AuditOutcome, Deed, TokenHolder, TokenRecord } from "./access.ts";
import { auditEntry, iso, ROLE, tokenRecord } from "./rows.ts";
import { isSecretOf, newToken, parseToken } from "./token.ts";

/** A name in use of another token, and a table that no `run` or `serve` of this version has made yet. */
const UNIQUE_VIOLATION = "23505";
const UNDEFINED_TABLE = "42P01";

const RECORD = `id, name, role, created_by, ${iso("created_at")}, ${iso("expires_at")}, ${iso("revoked_at")}, ${iso("last_used_at")}`;
const IN_USE = "migration = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())";

export class AccessStore implements Access {
  readonly #migration: string;
  readonly #target: Database;
  readonly #stateSql: string;

  constructor(of: { readonly migration: string; readonly target: Database; readonly stateSql: string }) {
    this.#migration = of.migration;
    this.#target = of.target;
    this.#stateSql = of.stateSql;
  }

  async createToken({ name, role, expiresInMs, by }: Parameters<Access["createToken"]>[0]) {
    await installState(this.#target, this.#stateSql);
    const made = newToken();
    const [row = {}] = await this.#target
      .query(
        `INSERT INTO rehouse.api_token (id, migration, name, role, hash, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7::bigint * interval '1 millisecond') RETURNING ${RECORD}`,
        [made.id, this.#migration, name, role, made.hash, by, expiresInMs === undefined ? null : String(expiresInMs)],
      )
      .catch((error: unknown) => {
        throw error instanceof ServerError && error.sqlstate === UNIQUE_VIOLATION ? nameInUse(name) : error;
      });
    const token = tokenRecord(row);
    await this.#noteAtCommandLine(by, "token create", { id: token.id, name, role, expiresAt: token.expiresAt });
    return { token, text: made.text };
  }

  async listTokens(): Promise<TokenRecord[]> {
    const rows = await this.#ask(
      `SELECT ${RECORD} FROM rehouse.api_token WHERE migration = $1 ORDER BY api_token.created_at DESC, id`,
    );
    return rows.map(tokenRecord);
  }

  async revokeToken({ idOrName, by }: { idOrName: string; by: string }): Promise<TokenRecord> {
    const [row] = await this.#ask(
      `UPDATE rehouse.api_token SET revoked_at = clock_timestamp()
        WHERE migration = $1 AND revoked_at IS NULL AND (id = $2 OR name = $2) RETURNING ${RECORD}`,
      [idOrName],
    );
    if (row === undefined)
      throw new RehouseError("REHOUSE_NOT_FOUND", {
        what: `no token in use has the id or name ${idOrName}`,
        fix: "rehouse serve token list",
      });
    const token = tokenRecord(row);
    await this.#noteAtCommandLine(by, "token revoke", { id: token.id, name: token.name });
    return token;
  }

  async hasToken(): Promise<boolean> {
    return (await this.#ask(`SELECT FROM rehouse.api_token WHERE ${IN_USE} LIMIT 1`)).length > 0;
  }

  async authenticate(given: string): Promise<TokenHolder | undefined> {
    const parsed = parseToken(given);
    if (parsed === undefined) return undefined;
    const [row] = await this.#ask(
      `SELECT id, name, role, hash, last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute' AS is_due
         FROM rehouse.api_token WHERE ${IN_USE} AND id = $2`,
      [parsed.id],
    );
    if (row === undefined || !isSecretOf(text(row, "hash"), parsed.secret)) return undefined;
    if (flag(row, "is_due"))
      await this.#target.query("UPDATE rehouse.api_token SET last_used_at = clock_timestamp() WHERE id = $1", [parsed.id]);
    return { id: parsed.id, name: text(row, "name"), role: coded(row, "role", ROLE) };
  }

  async begin(deed: Deed, outcome: "begun" | "denied" = "begun"): Promise<number> {
    const insert = () =>
      this.#target.query(
        `INSERT INTO rehouse.audit (migration, token, name, role, address, action, tenants, request, operation, outcome)
         VALUES ($1, $2, $3, $4, $5, $6, $7::text[], $8::jsonb, $9, $10) RETURNING entry`,
        [this.#migration, ...deedParams(deed), outcome],
      );
    // Before the first `run` of this version there is no table yet.
    const [row] = await insert().catch(async (error: unknown) => {
      if (!isMissing(error)) throw error;
      await installState(this.#target, this.#stateSql);
      return insert();
    });
    return Number(row?.["entry"]);
  }

  async end(entry: number, outcome: AuditOutcome, code: string | null): Promise<void> {
    await this.#target.query(
      "UPDATE rehouse.audit SET outcome = $2, code = $3, ended_at = clock_timestamp() WHERE entry = $1::bigint",
      [String(entry), outcome, code],
    );
  }

  async audit({ before, limit }: { before: number | undefined; limit: number }): Promise<AuditEntry[]> {
    const rows = await this.#ask(
      `SELECT entry, ${iso("at")}, ${iso("ended_at")}, token, name, role, address, action, to_json(tenants)::text AS tenants,
              request::text AS request, operation, outcome, code
         FROM rehouse.audit WHERE migration = $1 AND ($2::bigint IS NULL OR entry < $2::bigint) ORDER BY entry DESC LIMIT $3::int`,
      [before === undefined ? null : String(before), String(limit)],
    );
    return rows.map(auditEntry);
  }

  async #noteAtCommandLine(by: string, action: string, request: Record<string, unknown>): Promise<void> {
    const deed = { token: null, name: by, role: null, address: null, action, tenants: null, request, operation: null };
    await this.end(await this.begin(deed), "done", null);
  }

  /** No rows where the tables are not there yet. */
  async #ask(sql: string, params: readonly Param[] = []): Promise<Row[]> {
    return this.#target.query(sql, [this.#migration, ...params]).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof ServerError && error.sqlstate === UNDEFINED_TABLE;
}

function nameInUse(name: string): RehouseError {
  return new RehouseError("REHOUSE_USAGE", {
    what: `a token with the name ${name} is in use`,
    fix: "give another name, or revoke it with `rehouse serve token revoke`",
  });
}

function deedParams({ token, name, role, address, action, tenants, request, operation }: Deed): Param[] {
  const list = tenants === null ? null : arrayText(tenants);
  return [token, name, role, address, action, list, JSON.stringify(request), operation];
}
