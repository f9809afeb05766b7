import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { createDatabase } from "../../../connectors/postgres/database.ts";
import { ConnectionLost } from "../../../src/ports.ts";
import { addresses } from "../../support/index.ts";

/** A message of Postgres' protocol: its type, its length, its body. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const AUTHENTICATED = message("R", Buffer.alloc(4));
const READY = message("Z", Buffer.from("I"));
const TERMINATED = message("E", Buffer.from("SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"));

test("a connection that the server ends in the same breath as it grants it is lost, and the process goes on", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(Buffer.concat([AUTHENTICATED, READY, TERMINATED])));
  }).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const database = createDatabase({ url: `postgres://somebody@127.0.0.1:${port}/somewhere` });
    await expect(database.query("SELECT 1")).rejects.toBeInstanceOf(ConnectionLost);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

test("a server asks after 15 seconds of silence whether the machine of its client is still there", async () => {
  const database = createDatabase({ url: addresses().targetUrl });
  const names = ["tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"];
  const rows = await database.query("SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[]) ORDER BY name", [
    `{${names.join()}}`,
  ]);
  await database.close();
  expect(rows.map(({ name, setting }) => `${name} ${setting}`)).toEqual([
    "tcp_keepalives_count 3",
    "tcp_keepalives_idle 15",
    "tcp_keepalives_interval 5",
  ]);
});
