import { Agent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
// Not from the package's index, which loads the key services of four clouds: 3 s and 50 MB more.
import { RestError } from "@confluentinc/schemaregistry/dist/rest-error.js";
import type { SchemaRegistryClient } from "@confluentinc/schemaregistry/dist/schemaregistry-client.js";
import { RehouseError } from "../../src/errors.ts";
import type { SchemaRegistry } from "../../src/ports.ts";
import { redact } from "../../src/redact.ts";
import { untrusted } from "../../src/untrusted.ts";

export type RegistryAddress = {
  readonly url: string;
  readonly auth?: { readonly username: string; readonly password: string } | { readonly token: string } | undefined;
  /** Undefined: what the URL says, against the system's authorities. */
  readonly tls?: ConnectionOptions | undefined;
};

/** Answers of a server that has troubles of its own, or of a proxy before it, which time heals. 501: it will never know the request. */
const HEALS = new Set([408, 429, 500, 502, 503, 504]);
const NOT_FOUND = 404;
const CONFLICT = 409;

/** A Confluent-compatible schema registry. */
export function createSchemaRegistry(address: RegistryAddress): SchemaRegistry {
  let connecting: Promise<SchemaRegistryClient> | undefined;
  const where = redact(address.url);
  const calling = async <T>(call: (client: SchemaRegistryClient) => Promise<T>): Promise<T> => {
    connecting ??= connect(address);
    try {
      return await call(await connecting);
    } catch (error) {
      throw registryFailure(error, where);
    }
  };
  return {
    register: (subject, schema) =>
      calling((client) => despiteRaces(() => client.register(subject, { schema, schemaType: "AVRO" }, false))),
    // An id is looked up without a subject: a reader of the topic knows nothing else.
    schema: async (id) => (await calling((client) => client.getBySubjectAndId("", id))).schema,
    subjects: async (prefix) =>
      (await calling((client) => client.getAllSubjects())).filter((subject) => subject.startsWith(prefix)),
    latest: (subject) =>
      calling(async (client) => {
        try {
          const { id = 0, version = 0 } = await client.getLatestSchemaMetadata(subject);
          return { id, version };
        } catch (error) {
          ignoreMissing(error);
          return undefined;
        }
      }),
    // Softly: whenever a subject goes for good, Apicurio (2.6) sweeps away the content that none uses, and with it that of a registration
    // which is under way. Its id is granted, has no schema, and the subject refuses all that come after. No id that was given out is lost either.
    remove: (subject) => calling((client) => client.deleteSubject(subject, false).then(() => undefined, ignoreMissing)),
  };
}

/** Loaded by who asks the registry: the client's signing in (joi) is a third of the time in which a verb or a role starts, and most never ask. */
async function connect({ url, auth, tls }: RegistryAddress): Promise<SchemaRegistryClient> {
  const { SchemaRegistryClient } = await import("@confluentinc/schemaregistry/dist/schemaregistry-client.js");
  return new SchemaRegistryClient({
    baseURLs: [url],
    cacheCapacity: 10_000,
    maxRetries: 2,
    createAxiosDefaults: {
      timeout: 10_000,
      ...authorization(auth),
      ...(tls === undefined ? {} : { httpsAgent: new Agent({ keepAlive: true, ...tls }) }),
    },
  });
}

const RACES = 5;
const RACE_MS = 100;

/**
 * Apicurio refuses a registration also while another client makes or removes the same subject or content: that it is there already (409), or
 * that it is gone (404). Where the answer means what it says, it comes again.
 */
async function despiteRaces<T>(register: () => Promise<T>): Promise<T> {
  for (let race = 1; ; race++) {
    try {
      return await register();
    } catch (error) {
      if (race === RACES || !(error instanceof RestError && [NOT_FOUND, CONFLICT].includes(error.status))) throw error;
      await sleep(RACE_MS);
    }
  }
}

/** The client's own settings for a token ask for names that only one vendor's registries have. */
function authorization(auth: RegistryAddress["auth"]) {
  if (auth === undefined) return {};
  const header =
    "token" in auth ? `Bearer ${auth.token}` : `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString("base64")}`;
  return { headers: { Authorization: header } };
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof RestError && error.status === NOT_FOUND)) throw error;
}

function registryFailure(error: unknown, where: string): RehouseError {
  const distrust = untrusted(error, { server: "the schema registry", where, section: "registry.tls" });
  if (distrust !== undefined) return distrust;
  const reason = redact(error instanceof Error ? error.message : String(error));
  if (error instanceof RestError && !HEALS.has(error.status)) {
    return new RehouseError("REHOUSE_SERVER", {
      what: `the schema registry answered with ${error.status}: ${reason}`,
      where,
      fix: "check the registry's address, the rights of this client and the subject's compatibility rule",
      cause: error,
    });
  }
  return new RehouseError("REHOUSE_UNREACHABLE", {
    what: `the schema registry cannot be reached: ${reason}`,
    where,
    fix: "check that the registry runs and that its address is right",
    cause: error,
  });
}
