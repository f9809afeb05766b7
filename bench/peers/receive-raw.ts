/**
 * `receive-raw.ts SLOT END-LSN PUBLICATION`, the source's address in BENCH_SOURCE: reads a slot as pg_recvlogical does and throws away
 * what comes, for machines without it. Ends when the server has sent everything up to END-LSN.
 */
import type { Client, ClientConfig } from "pg";
import { LogicalReplicationService } from "pg-logical-replication";
import { AbstractPlugin } from "pg-logical-replication/dist/output-plugins/abstract.plugin.js";
import { parseLsn } from "../../src/model/position.ts";

class Nothing extends AbstractPlugin<{ publication: string }> {
  get name(): string {
    return "pgoutput";
  }

  parse(): undefined {
    return undefined;
  }

  start(client: Client, name: string, from: string): Promise<unknown> {
    const options = `proto_version '1', publication_names '${this.options.publication}'`;
    return client.query(`START_REPLICATION SLOT "${name}" LOGICAL ${from} (${options})`);
  }
}

const [slot = "", end = "", publication = ""] = process.argv.slice(2);
const endLsn = parseLsn(end);
/** The type leaves out what the wire protocol needs. */
const connection: ClientConfig & { replication: "database" } = {
  connectionString: process.env["BENCH_SOURCE"] ?? "",
  replication: "database",
};
const service = new LogicalReplicationService(connection, {
  acknowledge: { auto: false, timeoutSeconds: 0 },
  flowControl: { enabled: false },
});
const reached = new Promise<void>((resolve, reject) => {
  const look = (lsn: string) => {
    if (parseLsn(lsn) >= endLsn) resolve();
  };
  service.on("data", look);
  service.on("heartbeat", look);
  service.on("error", reject);
  service.subscribe(new Nothing({ publication }), slot, "0/0").catch(reject);
});
await reached;
process.exit(0);
