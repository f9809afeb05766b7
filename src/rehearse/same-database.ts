import { type Database, ServerError } from "../ports.ts";

/** Whether both addresses lead to one database, whatever they are called. Where a server does not say who it is, the addresses decide. */
export async function isSameDatabase(a: Database, b: Database): Promise<boolean> {
  const [one, other] = await Promise.all([identityOf(a), identityOf(b)]);
  return one === other;
}

async function identityOf(database: Database): Promise<string> {
  try {
    const [row] = await database.query("SELECT system_identifier, current_database() AS name FROM pg_control_system()");
    return JSON.stringify([row?.["system_identifier"], row?.["name"]]);
  } catch (error) {
    if (error instanceof ServerError) return database.place;
    throw error;
  }
}
