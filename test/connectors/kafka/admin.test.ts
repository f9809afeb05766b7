import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { withAdmin } from "../../../connectors/kafka/admin.ts";
import { createKafka } from "../../../connectors/kafka/client.ts";
import { createLogger } from "../../../src/log.ts";

test("a broker that takes connections and answers nothing is not waited for without end", async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  try {
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const kafka = createKafka({ brokers: [`127.0.0.1:${port}`] }, "test", createLogger("silent"));
    const asked = withAdmin(kafka, "here", (admin) => admin.listTopics(), 300);
    await expect(asked).rejects.toMatchObject({
      code: "REHOUSE_UNREACHABLE",
      message: expect.stringContaining("no answer, after 300 ms"),
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});
