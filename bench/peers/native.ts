import { randomBytes } from "node:crypto";
import type { Client } from "pg";
import type { Stack } from "../../stack/index.ts";
import { ask, connect } from "../servers/postgres.ts";
import { EVENTS } from "../workload/events.ts";

/** Postgres' own logical replication of the workload's table, from the source into a database of its own on the target server. */
export class NativeReplication {
  static readonly peer = "native logical replication";
  readonly slot: string;
  readonly targetUrl: string;
  readonly #sourceUrl: string;
  readonly #sourceFromTarget: string;
  #subscribed = false;

  /** `targetUrl`: a database that holds a copy of the table, made while nobody wrote. */
  constructor(stack: Stack, sourceUrl: string, targetUrl: string) {
    this.slot = `bench_${randomBytes(4).toString("hex")}`;
    this.targetUrl = targetUrl;
    this.#sourceUrl = sourceUrl;
    this.#sourceFromTarget = sourceFromTarget(stack, sourceUrl);
  }

  /** Makes publication and slot; from here on the slot keeps what is to be replicated. */
  async prepare(): Promise<void> {
    await using source = await connect(this.#sourceUrl);
    await source.query(`CREATE PUBLICATION ${NATIVE_PUBLICATION} FOR TABLE ${EVENTS}`);
    await source.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [this.slot]);
  }

  /** Begins to replicate, or goes on with it. */
  async enable(target: Client): Promise<void> {
    if (!this.#subscribed) {
      const connection = target.escapeLiteral(this.#sourceFromTarget);
      await target.query(
        `CREATE SUBSCRIPTION ${this.slot} CONNECTION ${connection} PUBLICATION ${NATIVE_PUBLICATION}
           WITH (create_slot = false, slot_name = ${this.slot}, copy_data = false, enabled = false)`,
      );
      this.#subscribed = true;
    }
    await target.query(`ALTER SUBSCRIPTION ${this.slot} ENABLE`);
  }

  /** Resolves when its worker has ended; what is committed meanwhile waits in the slot. */
  async disable(): Promise<void> {
    await ask(this.targetUrl, `ALTER SUBSCRIPTION ${this.slot} DISABLE`);
  }
}

export const NATIVE_PUBLICATION = "bench_native";

/** Between containers the source has its name in docker-compose.yml, not the address that this process uses. */
function sourceFromTarget(stack: Stack, sourceUrl: string): string {
  if (stack.provider !== "docker") return sourceUrl;
  const url = new URL(sourceUrl);
  url.host = "source:5432";
  return url.href;
}
