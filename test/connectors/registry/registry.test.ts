import { createServer } from "node:http";
import { AvroDeserializer, SchemaRegistryClient, SerdeType } from "@confluentinc/schemaregistry";
import { describe, expect, it } from "vitest";
import { createSchemaRegistry } from "../../../connectors/registry/registry.ts";
import { Encoder, OP, Slab, subjectOf, valueSchema } from "../../../src/envelope/index.ts";
import { asLsn } from "../../../src/model/position.ts";
import { tuple } from "../../capture/support.ts";
import { addresses } from "../../support/index.ts";

describe("a schema registry", () => {
  it("gives the same id to the same schema, another one to a changed type, and the text back", async () => {
    const registry = createSchemaRegistry({ url: addresses().registryUrl });
    const topic = `rehouse.t-${process.pid}-${Date.now()}.changes`;
    const integer = schema("integer");
    const bigint = schema("bigint");
    const subject = subjectOf(topic, integer.fullName);
    const id = await registry.register(subject, integer.text);
    expect(await registry.register(subject, integer.text)).toBe(id);
    expect(await createSchemaRegistry({ url: addresses().registryUrl }).register(subject, integer.text)).toBe(id);
    const changed = await registry.register(subject, bigint.text);
    expect(changed).not.toBe(id);
    expect(JSON.parse(await registry.schema(id))).toEqual(JSON.parse(integer.text));
    expect(JSON.parse(await registry.schema(changed))).toEqual(JSON.parse(bigint.text));
    await registry.remove(subject);
    await registry.remove(subject);
  });

  it("gives one readable id to many who register the same at once, while subjects of others are removed", async () => {
    const registry = () => createSchemaRegistry({ url: addresses().registryUrl });
    for (let round = 0; round < 8; round++) {
      const { text } = schema("integer", `m${process.pid}-${round}`);
      const subject = `race-${process.pid}-${Date.now()}`;
      const others = ["same", "other", "third"].map((name) => `${subject}-${name}`);
      for (const other of others) await registry().register(other, other.endsWith("same") ? text : schema("text", other).text);
      const [ids] = await Promise.all([
        Promise.all(Array.from({ length: 4 }, () => registry().register(subject, text))),
        ...others.map((other) => registry().remove(other)),
      ]);
      expect(new Set(ids).size).toBe(1);
      expect(JSON.parse(await registry().schema(ids[0] ?? 0))).toEqual(JSON.parse(text));
      expect(await registry().subjects(subject)).toEqual([subject]);
      await registry().remove(subject);
    }
  });

  it("lets its own vendor's deserializer read our bytes", async () => {
    const registry = createSchemaRegistry({ url: addresses().registryUrl });
    const topic = `rehouse.t-${process.pid}-${Date.now()}.changes`;
    const value = schema("integer");
    const valueSchemaId = await registry.register(subjectOf(topic, value.fullName), value.text);
    const encoder = new Encoder({
      slab: new Slab(),
      source: { version: "0", name: "rehouse.m", database: "app" },
      table: { schema: "public", table: "orders" },
      columns: 1,
      valueSchemaId,
      keySchemaId: 1,
      keyName: "public.orders",
      keyColumns: [0],
    });
    const bytes = encoder.row(
      { xid: 7, lsn: asLsn(99n), committedAtMs: 1, capturedAtMs: 2 },
      OP.create,
      undefined,
      tuple("12"),
      undefined,
      1,
    );
    const client = new SchemaRegistryClient({ baseURLs: [addresses().registryUrl] });
    const deserializer = new AvroDeserializer(client, SerdeType.VALUE, {});
    expect(await deserializer.deserialize(topic, bytes)).toMatchObject({
      before: null,
      after: { id: "12" },
      op: "c",
      source: { lsn: 99, txId: 7 },
    });
  });

  it("that is not there is unreachable, and its password stays out of the message", async () => {
    const registry = createSchemaRegistry({ url: "http://user:geheim123@127.0.0.1:1" });
    const failure: unknown = await registry.schema(1).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "REHOUSE_UNREACHABLE" });
    expect(JSON.stringify(failure)).not.toContain("geheim123");
  });

  it.for([
    { status: 500, code: "REHOUSE_UNREACHABLE" },
    { status: 503, code: "REHOUSE_UNREACHABLE" },
    { status: 401, code: "REHOUSE_SERVER" },
  ])("that answers $status is $code", async ({ status, code }) => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { "content-type": "application/json" }).end(`{"error_code":${status},"message":"troubles"}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    try {
      if (address === null || typeof address === "string") throw new Error("the server does not listen");
      const registry = createSchemaRegistry({ url: `http://127.0.0.1:${address.port}` });
      await expect(registry.schema(1)).rejects.toMatchObject({ code });
    } finally {
      server.close();
    }
  });

  it("that knows no such id answers with an error", async () => {
    const registry = createSchemaRegistry({ url: addresses().registryUrl });
    await expect(registry.schema(2_000_000_000)).rejects.toMatchObject({ code: "REHOUSE_SERVER" });
  });
});

function schema(pgType: string, migration = "m") {
  return valueSchema({
    migration,
    table: { schema: "public", table: "orders" },
    columns: [{ name: "id", pgType }],
    identity: "d",
    identityColumns: ["id"],
  });
}
