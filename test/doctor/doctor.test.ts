/** A migration on its way: without a finding while all is well, and with each thing that goes wrong by its name. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DoctorDocument } from "../../src/cli/documents.ts";
import { connectSystems } from "../../src/compose.ts";
import { diagnose } from "../../src/doctor/index.ts";
import { loadMigrationFile } from "../../src/file/index.ts";
import { createLogger } from "../../src/log.ts";
import { LEDGER_SQL } from "../jepsen/clients.ts";
import { ledgerFile } from "../jepsen/home.ts";
import { Migration, type RehouseProcess, type Sql } from "../support/index.ts";

const TENANTS = [1, 2, 3];

let migration: Migration;
let run: RehouseProcess;

beforeAll(async () => {
  migration = await Migration.prepare({
    source: LEDGER_SQL(TENANTS),
    // Three tenants that share their tables at both sides, so that their sequences are moved apart.
    file: { ...ledgerFile("pooled", TENANTS), rollback: { soak: "1h", when: ["differences"], action: "alert" } },
  });
  await migration.source.run("INSERT INTO entries (tenant_id, write_id) SELECT 1 + n % 3, n FROM generate_series(1, 30) AS n");
  run = migration.run();
  await migration.inSync(run);
}, 120_000);
afterAll(() => migration?.[Symbol.asyncDispose]());

describe("a healthy migration has no finding", () => {
  test("in-sync", async () => {
    expect(await doctor()).toEqual({ code: 0, state: "running", found: [] });
  });

  test("soaking", { timeout: 120_000 }, async () => {
    for (const tenant of ["1", "2"]) expect((await migration.rehouse("cutover", "--tenant", tenant, "--json")).code).toBe(0);
    await migration.until(run, "the feed home to be in step", async () => (await home()) === "2");
    expect(await doctor()).toEqual({ code: 0, state: "running", found: [] });
  });
});

/** What is done at which side, what is then found, and how it is taken back. */
const WRONG: readonly {
  code: string;
  place: string;
  what: RegExp;
  fix: RegExp;
  at: "source" | "target";
  make: string;
  undo: string;
}[] = [
  {
    code: "tenant-stopped",
    place: "tenant 3",
    what: /^REHOUSE_CHANGE_REFUSED: no$/,
    fix: /rehouse retry --tenant 3; .* rehouse skip --tenant 3 --position 0\/1:2$/,
    at: "target",
    make: `UPDATE rehouse.tenant SET stopped = '{"code": "REHOUSE_CHANGE_REFUSED", "what": "no", "position": "0/1:2"}' WHERE tenant = '3'`,
    undo: "UPDATE rehouse.tenant SET stopped = NULL",
  },
  {
    code: "switch-unfinished",
    place: "tenant 3",
    what: /stands at step switched: it will be finished$/,
    fix: /rehouse cutover --tenant 3$/,
    at: "target",
    // The control role would end it at once.
    make: "INSERT INTO rehouse.switch (migration, tenant, direction, step, started_by) SELECT name, '3', 'to-target', 'switched', 'me' FROM rehouse.migration",
    undo: "DELETE FROM rehouse.switch",
  },
  {
    // Of a tenant that is not being switched.
    code: "tenant-fenced",
    place: "tenant 4",
    what: /are told to try again, and no switch is under way$/,
    fix: /role control/,
    at: "source",
    make: "INSERT INTO rehouse.fence (migration, tenant, state, home, generation, armed_generation, lock_key) SELECT migration, '4', 'fenced', 'target', 99, 98, 7 FROM rehouse.fence LIMIT 1",
    undo: "DELETE FROM rehouse.fence WHERE tenant = '4'",
  },
  {
    code: "fence-open",
    place: "tenant 1",
    what: /would take its writes: no trigger asks for it on public.entries$/,
    fix: /rehouse.late_write/,
    at: "source",
    make: "ALTER TABLE entries DISABLE TRIGGER USER",
    undo: "DO $$ DECLARE each record; BEGIN FOR each IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'entries'::regclass LOOP EXECUTE format('ALTER TABLE entries ENABLE ALWAYS TRIGGER %I', each.tgname); END LOOP; END $$",
  },
  {
    code: "late-writes",
    place: "tenant 1",
    what: /^1 changes were committed at a home that it had left/,
    fix: /rehouse.late_write/,
    at: "target",
    make: "INSERT INTO rehouse.late_write (migration, tenant, lsn, ordinal, source, operation, key, committed_at) SELECT name, '1', '0/1', 0, 'public.entries', 'insert', '{}', now() FROM rehouse.migration",
    undo: "DELETE FROM rehouse.late_write",
  },
  {
    code: "differences",
    place: "tenant 1",
    what: /^1 rows of public.entries differ/,
    fix: /^rehouse verify --tenant 1/,
    at: "source",
    make: "INSERT INTO rehouse.difference (migration, direction, source, tenant, id, key, kind, columns, position) SELECT name, 'reverse', 'public.entries', '1', 'x', '{}', 'missing', '{}', '0/1' FROM rehouse.migration",
    undo: "DELETE FROM rehouse.difference",
  },
  {
    code: "foreign-writes",
    place: "tenant 3",
    what: /^somebody else wrote to its rows at the target 1 times/,
    fix: /^rehouse verify --tenant 3 --repair/,
    at: "target",
    make: "INSERT INTO rehouse.foreign_write (migration, tenant, source, target, operation, role, xid) SELECT name, '3', 'public.entries', 'public.entries', 'insert', 'me', '1' FROM rehouse.migration",
    undo: "DELETE FROM rehouse.foreign_write",
  },
  {
    code: "sequence-block-low",
    place: "target",
    what: /^of the numbers \d+ to \d+ that are kept free for public.entries.id, 100 % are used/,
    fix: /rehouse contract/,
    at: "target",
    make: "SELECT setval('entries_id_seq', (SELECT max((b ->> 'to')::bigint) FROM rehouse.journal, jsonb_array_elements(detail -> 'blocks') AS b))",
    undo: "SELECT setval('entries_id_seq', (SELECT max((b ->> 'from')::bigint) FROM rehouse.journal, jsonb_array_elements(detail -> 'blocks') AS b))",
  },
  {
    code: "topic-trimmed",
    place: "kafka",
    what: /^lane other \(tenants 3\) has to go on from offset -1 of partition \d, and the topic begins at 0$/,
    fix: /rehouse resync/,
    at: "target",
    make: "INSERT INTO rehouse.lane (migration, partition, lane, next_offset) SELECT migration, partition, 'other', -1 FROM rehouse.tenant WHERE tenant = '3'; UPDATE rehouse.tenant SET lane = 'other' WHERE tenant = '3'",
    undo: "UPDATE rehouse.tenant SET lane = 'main' WHERE tenant = '3'; DELETE FROM rehouse.lane WHERE lane = 'other'",
  },
  {
    code: "publication-lost",
    place: "source",
    what: /^the publication rehouse_\w+ is gone, or no longer publishes everything/,
    fix: /^rehouse resync/,
    at: "source",
    make: "DO $$ BEGIN EXECUTE format('ALTER PUBLICATION %I SET (publish = ''insert'')', (SELECT pubname FROM pg_publication)); END $$",
    undo: "DO $$ BEGIN EXECUTE format('ALTER PUBLICATION %I SET (publish = ''insert, update, delete, truncate'')', (SELECT pubname FROM pg_publication)); END $$",
  },
  {
    code: "role-ended",
    place: "",
    what: /^REHOUSE_SLOT_LOST: gone$/,
    fix: /docs\/errors.md/,
    at: "target",
    make: `INSERT INTO rehouse.process (migration, host, pid, role, error) SELECT name, 'h', 1, 'apply', '{"code": "REHOUSE_SLOT_LOST", "what": "gone"}' FROM rehouse.migration`,
    undo: "DELETE FROM rehouse.process WHERE host = 'h'",
  },
  {
    code: "prepared-old",
    place: "source",
    what: /^the prepared transaction of .* left over has been open for/,
    fix: /^COMMIT PREPARED 'left over';/,
    at: "source",
    make: "BEGIN; INSERT INTO entries (tenant_id, write_id) VALUES (3, 'prepared'); PREPARE TRANSACTION 'left over'",
    undo: "ROLLBACK PREPARED 'left over'",
  },
];

describe("once nothing runs", () => {
  beforeAll(async () => void (await run.stop()));

  test("that is said, and what needs processes", async () => {
    const { code, state, found } = await doctor();
    expect({ code, state, codes: found.map((finding) => finding.code) }).toMatchObject({
      code: 1,
      state: "stopped",
      codes: expect.arrayContaining(["not-running"]),
    });
  });

  describe("and much is wrong", () => {
    const sql = (at: "source" | "target") => (at === "source" ? migration.source : migration.target);
    let findings: Awaited<ReturnType<typeof quick>>;
    beforeAll(async () => {
      for (const { at, make } of WRONG) await sql(at).run(make);
      findings = await quick();
    });

    test.each(WRONG)("$code is found at $place", ({ code, place, what, fix }) => {
      const found = findings.filter((finding) => finding.code === code && finding.place.startsWith(place));
      expect(found).toEqual([expect.objectContaining({ what: expect.stringMatching(what), fix: expect.stringMatching(fix) })]);
    });

    test("a lock that a process left behind is found, and so is a transaction that somebody forgot", async () => {
      await using sessions = await holding(migration.target, `rehouse ${migration.name} switch`);
      const codes = (await quick()).map(({ code, what }) => `${code}: ${what}`);
      expect(codes).toContainEqual(expect.stringMatching(new RegExp(`^lock-held: session ${sessions.pid} `)));
      expect(codes).toContainEqual(expect.stringMatching(/^transaction-old: a transaction of .* has been open for/));
    });

    test("and none of it once it is mended", async () => {
      for (const { at, undo } of WRONG.toReversed()) await sql(at).run(undo);
      const codes = (await quick()).map(({ code }) => code);
      expect(codes.filter((code) => WRONG.some((each) => each.code === code))).toEqual([]);
    });
  });
});

describe("a tenant that has left for good", () => {
  beforeAll(async () => {
    run = migration.run();
    await migration.until(run, "the feed home to run", async () => (await home()) === "2");
  });

  test("leaves nothing to find, and after cancel nothing is there", { timeout: 180_000 }, async () => {
    expect(await migration.rehouse("contract", "--tenant", "1", "--now", "--yes", "--json")).toMatchObject({ code: 0 });
    await migration.until(run, "nothing to be wrong", async () => (await doctor()).code === 0);
    // The feed home goes with the last one who is in it.
    expect(await migration.rehouse("contract", "--tenant", "2", "--now", "--yes", "--json")).toMatchObject({ code: 0 });
    await migration.until(run, "nothing to be wrong", async () => (await doctor()).code === 0);
    expect((await migration.rehouse("cancel", "--yes")).code).toBe(0);
    expect(await doctor()).toEqual({ code: 0, state: "not-begun", found: [] });
  });
});

async function doctor() {
  const { code, out, err } = await migration.rehouse("doctor", "--json");
  expect(err).toBe("");
  const document: DoctorDocument = JSON.parse(out);
  return { code, state: document.state, found: document.findings };
}

/** In this process, with every lock and transaction old. */
async function quick() {
  const env = { SOURCE_URL: migration.source.url, TARGET_URL: migration.target.url };
  const file = await loadMigrationFile(migration.path, env);
  const both = connectSystems(file, { log: createLogger() });
  try {
    const limits = { locks: { fence: 0, other: 0 }, transactionMs: 0 };
    return (await diagnose({ file, ...both, limits }, new AbortController().signal)).findings;
  } finally {
    await both.systems.close();
  }
}

async function holding(sql: Sql, name: string) {
  const [lock, open] = [await sql.connect(), await sql.connect()];
  const { rows } = await lock
    .query({ text: `SET application_name = '${name}'; SELECT pg_backend_pid(), pg_advisory_lock(1)` })
    .then((answer) => {
      const last: unknown = Array.isArray(answer) ? answer.at(-1) : answer;
      return last as { rows: { pg_backend_pid: string }[] };
    });
  await open.query("BEGIN; INSERT INTO entries (tenant_id, write_id) VALUES (3, 'forgotten')");
  return {
    pid: rows[0]?.pg_backend_pid,
    [Symbol.asyncDispose]: async () => {
      await open.query("ROLLBACK");
      for (const client of [lock, open]) client.release(true);
    },
  };
}

/** How many tenants the feed home is in step with. */
async function home(): Promise<string | null> {
  return migration.source.value("SELECT count(*) FROM rehouse.tenant WHERE migration LIKE '%.reverse' AND phase = 'in-sync'");
}
