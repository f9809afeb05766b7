import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RouteChange, webhookChannel } from "../../src/route/index.ts";
import { sign } from "../../src/route/signature.ts";
import { verifyWebhook } from "../../src/router/index.ts";

const SECRET = "a secret of this test";
const CHANGE: RouteChange = {
  migration: "a-move",
  tenant: "42",
  home: "target",
  schema: "tenant_42",
  generation: 3,
  sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
};

describe("the webhook", () => {
  let server: Server;
  let url: string;
  let answer: number;
  let asked: { method: string | undefined; headers: IncomingHttpHeaders; body: string }[];
  const signal = new AbortController().signal;

  beforeEach(async () => {
    asked = [];
    answer = 204;
    server = createServer((request, response) => {
      void text(request).then((body) => {
        asked.push({ method: request.method, headers: request.headers, body });
        response.writeHead(answer, { location: "/elsewhere" }).end("an answer that nobody reads");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    url = `http://127.0.0.1:${port}/hooks/t0ken`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it("gets the route as JSON, with a signature that holds for this body and this secret alone", async () => {
    await webhookChannel({ url, secret: SECRET }).tell(CHANGE, signal);
    const [request] = asked;
    expect(request?.method).toBe("POST");
    expect(JSON.parse(request?.body ?? "")).toEqual({
      event: "route",
      migration: "a-move",
      tenant: "42",
      home: "target",
      schema: "tenant_42",
      generation: 3,
      since: "2026-01-02T03:04:05.006Z",
    });
    const signature = String(request?.headers["rehouse-signature"]);
    const body = request?.body ?? "";
    expect(verifyWebhook({ body, signature, secret: SECRET })).toMatchObject({ tenant: "42", home: "target", generation: 3 });
    expect(verifyWebhook({ body, signature, secret: `${SECRET}!` })).toBeUndefined();
    expect(verifyWebhook({ body: body.replace("42", "43"), signature, secret: SECRET })).toBeUndefined();
    const old = sign(body, SECRET, Date.now() - 301_000);
    expect(verifyWebhook({ body, signature: old, secret: SECRET })).toBeUndefined();
    expect(verifyWebhook({ body, signature: old, secret: SECRET, toleranceMs: 600_000 })).toMatchObject({ tenant: "42" });
    expect(verifyWebhook({ body, signature: "t=1,v1=", secret: SECRET })).toBeUndefined();
  });

  it.for([301, 307, 400, 410, 500])("has not been told when it answers with %i", async (status) => {
    answer = status;
    const telling = webhookChannel({ url, secret: SECRET }).tell(CHANGE, signal);
    await expect(telling).rejects.toMatchObject({
      code: "REHOUSE_WEBHOOK",
      message: `the webhook answered with ${status}, where 2xx is needed`,
    });
    expect(asked).toHaveLength(1);
  });

  it("has not been told when nobody answers, and its path is not named", async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const failure: unknown = await webhookChannel({ url, secret: SECRET })
      .tell(CHANGE, signal)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "REHOUSE_WEBHOOK", policy: "retry" });
    expect(JSON.stringify(failure)).not.toContain("t0ken");
  });
});
