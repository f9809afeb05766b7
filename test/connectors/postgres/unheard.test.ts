/** Between a session and its server stands somebody who keeps our end open whatever becomes of the other. */

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createDatabase } from "../../../connectors/postgres/database.ts";
import type { Database, Session } from "../../../src/ports.ts";
import { ConnectionLost } from "../../../src/ports.ts";
import { addresses } from "../../support/index.ts";

const ASK_AFTER_MS = 300;

class Between implements AsyncDisposable {
  readonly #server: Server;
  readonly #links: { readonly client: Socket; readonly server: Socket }[] = [];

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#server = createServer((client) => {
      const server = connect(Number(port), hostname);
      this.#links.push({ client, server });
      client.on("data", (data) => server.write(data)).on("error", () => undefined);
      server.on("data", (data) => client.write(data)).on("error", () => undefined);
      client.on("close", () => server.destroy());
    }).listen(0, "127.0.0.1");
  }

  async urlLike(url: string): Promise<string> {
    if (!this.#server.listening) await once(this.#server, "listening");
    const address = this.#server.address();
    const through = new URL(url);
    through.host = `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
    return through.href;
  }

  /** The server sees its client go; the client sees nothing. */
  cut(): void {
    for (const { server } of this.#links) server.destroy();
  }

  /** What the server answers on the connections that there are does not arrive. */
  loseAnswers(): void {
    for (const { server } of this.#links) server.removeAllListeners("data").resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
    this.#server.close();
  }
}

let between: Between;
let database: Database;
let session: Session;

beforeEach(async () => {
  const { targetUrl } = addresses();
  between = new Between(targetUrl);
  database = createDatabase({ url: await between.urlLike(targetUrl), askAfterMs: ASK_AFTER_MS });
  session = await database.connect();
  await session.query("SELECT 1");
});

afterEach(async () => {
  await session.close(true);
  await database.close();
  await between[Symbol.asyncDispose]();
});

it("is lost when its server no longer has it", async () => {
  between.cut();
  const asked = session.pipeline([{ sql: "SELECT 1" }]);
  await expect(asked).rejects.toThrow("no longer has this session");
  await expect(asked).rejects.toBeInstanceOf(ConnectionLost);
  await expect(session.query("SELECT 1")).rejects.toBeInstanceOf(ConnectionLost);
});

it("is lost when its server has answered, and the answer does not come", async () => {
  await session.query("BEGIN");
  between.loseAnswers();
  await expect(session.query("SELECT 1")).rejects.toThrow("idle in transaction there, though a statement was sent");
});

it("waits for as long as its server works", async () => {
  const [slept] = await session.pipeline([{ sql: "SELECT 'done' AS done FROM pg_sleep(1.5)" }]);
  expect(slept?.rows).toEqual([{ done: "done" }]);
  expect(await session.query("SELECT 2 AS two")).toEqual([{ two: "2" }]);
});
