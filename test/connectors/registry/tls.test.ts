/** A registry behind TLS: a small proxy in the place of its own. */

import { once } from "node:events";
import { request } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import { expect, it } from "vitest";
import { createSchemaRegistry, type RegistryAddress } from "../../../connectors/registry/registry.ts";
import { Authority, type Identity, selfSigned } from "../../support/certificates.ts";
import { addresses } from "../../support/index.ts";

/** What came through: the client's common name, and its credentials. */
type Seen = { readonly client: string | undefined; readonly authorization: string | undefined };

async function behind(options: ServerOptions, use: (url: string, seen: readonly Seen[]) => Promise<void>): Promise<void> {
  const registry = new URL(addresses().registryUrl);
  const seen: Seen[] = [];
  const server = createServer(options, (incoming, outgoing) => {
    const certificate = "getPeerCertificate" in incoming.socket ? clientOf(incoming.socket) : undefined;
    seen.push({ client: certificate, authorization: incoming.headers.authorization });
    const { authorization: _, host: __, ...headers } = incoming.headers;
    const path = registry.pathname.replace(/\/$/, "") + (incoming.url ?? "");
    const passed = request({ host: registry.hostname, port: registry.port, path, method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  }).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const address = server.address();
    await use(`https://localhost:${typeof address === "object" ? address?.port : 0}`, seen);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function clientOf(socket: object): string | undefined {
  const read: unknown = Reflect.get(socket, "getPeerCertificate");
  const certificate: unknown = typeof read === "function" ? read.call(socket) : undefined;
  const subject: unknown =
    typeof certificate === "object" && certificate !== null ? Reflect.get(certificate, "subject") : undefined;
  const name: unknown = typeof subject === "object" && subject !== null ? Reflect.get(subject, "CN") : undefined;
  return typeof name === "string" ? name : undefined;
}

const SCHEMA = JSON.stringify({ type: "record", name: "a", fields: [{ name: "b", type: "string" }] });

it("is trusted by its authority, sees the client's certificate, and takes a password or a token", async () => {
  const authority = new Authority();
  const tls = { ca: authority.pem, ...authority.identity(["rehouse"]) };
  const server = { ...authority.identity(["localhost"]), ca: authority.pem, requestCert: true, rejectUnauthorized: true };
  await behind(server, async (url, seen) => {
    const subject = `tls-${process.pid}-${Date.now()}`;
    const auths: RegistryAddress["auth"][] = [{ username: "us:er", password: "p" }, { token: "to.ken" }];
    for (const auth of auths) {
      const registry = createSchemaRegistry({ url, auth, tls });
      const id = await registry.register(subject, SCHEMA);
      expect(JSON.parse(await registry.schema(id))).toMatchObject({ name: "a" });
      await registry.remove(subject);
    }
    expect(new Set(seen.map(({ client }) => client))).toEqual(new Set(["rehouse"]));
    expect(new Set(seen.map(({ authorization }) => authorization))).toEqual(
      new Set([`Basic ${Buffer.from("us:er:p").toString("base64")}`, "Bearer to.ken"]),
    );
  });
});

it("is refused where its certificate is signed by itself, or is for another host", async () => {
  const authority = new Authority();
  const wrong: [Identity, { ca?: string }][] = [
    [selfSigned(["localhost"]), {}],
    [authority.identity(["registry.internal"]), { ca: authority.pem }],
  ];
  await Promise.all(
    wrong.map(([identity, ca]) =>
      behind(identity, async (url, seen) => {
        const registry = createSchemaRegistry({ url, tls: { ...ca, rejectUnauthorized: true }, auth: { token: "to.ken" } });
        await expect(registry.schema(1)).rejects.toMatchObject({
          code: "REHOUSE_TLS",
          fix: expect.stringContaining("registry.tls"),
        });
        expect(seen).toEqual([]);
      }),
    ),
  );
});
