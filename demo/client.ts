import { Client } from "pg";

export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: "demo client" });
  // A connection that breaks between two statements is met by the next one; unheard, it would end the process.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** `work` on a connection of its own. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(url);
  try {
    return await work(client);
  } finally {
    // One that is broken already has nothing left to end.
    await client.end().catch(() => undefined);
  }
}
