// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${VAR} is the syntax of the migration file
import { z } from "zod";

/*
 * The addresses of a migration file. In all the schemas of this folder a schema's `error` is not a sentence but what was expected, as it
 * completes "expected ...": mistakes.ts puts the sentence together.
 */

const URL_EXAMPLE = "a Postgres URL such as postgres://user@host:5432/database";

const postgresUrl = z
  .string(URL_EXAMPLE)
  .refine((text) => URL.canParse(text) && ["postgres:", "postgresql:"].includes(new URL(text).protocol), URL_EXAMPLE)
  .meta({ title: "Postgres URL", examples: ["postgres://rehouse@db.internal:5432/app", "${SOURCE_URL}"] });

/** `${VAR}` always gives text, so a switch is also taken as the text of one. */
function flag(description: string) {
  return z
    .union([z.boolean(), z.enum(["true", "false"])], "true or false")
    .transform((value) => value === true || value === "true")
    .meta({ description });
}

function wholeNumber(min: number, max: number, description: string, example: number) {
  const expected = `a whole number from ${min} to ${max}`;
  return z
    .union([z.int(expected).min(min, expected).max(max, expected), z.string().regex(/^\d+$/, expected)], expected)
    .transform(Number)
    .refine((value) => value >= min && value <= max, expected)
    .meta({ description, examples: [example] });
}

function secretText(expected: string, description: string) {
  return z.string(expected).min(1, expected).meta({ description });
}

const pem = (what: string) =>
  z
    .string(`the path of a PEM file with ${what}, or the PEM text itself`)
    .min(1, `the path of a PEM file with ${what}, or the PEM text itself`)
    .meta({
      description: `PEM file with ${what} (a path beside the migration file), or the PEM text itself.`,
      examples: ["./certs/ca.pem"],
    });

const tlsObject = z.strictObject(
  {
    ca: pem("the certificate authorities to trust").optional(),
    cert: pem("the client certificate").optional(),
    key: pem("the client key").optional(),
    serverName: z
      .string("a host name")
      .min(1, "a host name")
      .optional()
      .meta({ description: "Host name that the server's certificate has to carry, when it is not the one of the address." }),
    verify: flag("false takes any certificate. Default true.").optional(),
  },
  "true, or a map with ca, cert, key, serverName, verify",
);

export const tlsSchema = z.union([z.boolean(), tlsObject], "true, or a map with ca, cert, key, serverName, verify").meta({
  title: "TLS",
  description: "true for TLS with the system's certificate authorities, false for none, or the details.",
  examples: [true, { ca: "./certs/ca.pem" }],
});

const serverKeys = {
  url: postgresUrl,
  replicationUrl: postgresUrl.optional().meta({
    description:
      "Address for the replication connection and for everything that needs a session of its own, where `url` leads to a connection pooler. Default: `url`.",
  }),
  password: secretText(
    "the password of the URL's user",
    "Password of the URL's user, with any characters as they are; take it from a file or the environment.",
  )
    .optional()
    .meta({ examples: ["${file:/run/secrets/source-password}", "${SOURCE_PASSWORD}"] }),
  tls: tlsSchema.optional(),
};

const SERVER = "a Postgres URL, or a map with url, replicationUrl, password, tls";
const SOURCE = "a Postgres URL, or a map with url, replicationUrl, password, tls, failoverSlot";

export const serverSchema = z
  .union([postgresUrl, z.strictObject(serverKeys, SERVER)], SERVER)
  .meta({ title: "Postgres server", examples: ["${TARGET_URL}", { url: "${TARGET_URL}", tls: { ca: "./certs/ca.pem" } }] });

export const sourceSchema = z
  .union(
    [
      postgresUrl,
      z.strictObject(
        {
          ...serverKeys,
          failoverSlot: flag(
            "true: standbys keep a copy of the replication slot (Postgres 17, where they have sync_replication_slots), so that the stream goes on after a failover. Default false.",
          ).optional(),
        },
        SOURCE,
      ),
    ],
    SOURCE,
  )
  .meta({ title: "Source server", examples: ["${SOURCE_URL}", { url: "${SOURCE_URL}", failoverSlot: true }] });

const BROKER = "host:port of a Kafka broker";
/** One text may name several brokers: an environment variable usually holds them with commas. */
const brokerText = z
  .string(BROKER)
  .refine(
    (text) => text.split(",").every((broker) => /^(\[[0-9a-fA-F:.]+\]|[^\s:,/[\]]+):\d{1,5}$/.test(broker.trim())),
    `${BROKER}, several with commas between them`,
  )
  .transform((text) => text.split(",").map((broker) => broker.trim()));

const SASL_MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;

const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = "a duration with its unit, such as 90m, 36h or 7d, or forever";

/** A duration in the file, as milliseconds; `forever` is Kafka's own -1. */
const retention = z
  .string(DURATION)
  .regex(/^(\d+[smhd]|forever)$/, DURATION)
  .transform((text) => (text === "forever" ? -1 : Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] ?? 1)))
  .meta({
    description:
      "How long the changes topic keeps changes. It has to outlast the longest backfill of a tenant. Left out: the broker's own setting.",
    examples: ["7d", "forever"],
  });

export const kafkaSchema = z
  .strictObject(
    {
      brokers: z
        .union(
          [brokerText, z.array(brokerText, `a list with ${BROKER}`).min(1, `a list with ${BROKER}`)],
          `a list with ${BROKER}`,
        )
        .transform((given) => given.flat())
        .meta({
          description: "Brokers to start from; a text may name several with commas.",
          examples: [["kafka-1:9092", "kafka-2:9092"], "${KAFKA_BROKERS:-localhost:9092}"],
        }),
      ssl: tlsSchema.optional(),
      sasl: z
        .strictObject(
          {
            mechanism: z.enum(SASL_MECHANISMS, `one of ${SASL_MECHANISMS.join(", ")}`),
            username: secretText("the name of the SASL user", "SASL user."),
            password: secretText("the password of the SASL user", "SASL password; take it from the environment."),
          },
          "a map with mechanism, username, password",
        )
        .optional()
        .meta({ title: "SASL", examples: [{ mechanism: "scram-sha-512", username: "rehouse", password: "${KAFKA_PASSWORD}" }] }),
      partitions: wholeNumber(
        1,
        10_000,
        "Partitions of the changes topic, so the number of readers that can apply at the same time. Default 8.",
        8,
      ).optional(),
      replicationFactor: wholeNumber(
        1,
        100,
        "Copies that the brokers keep of each partition. Left out: the broker's own setting.",
        3,
      ).optional(),
      retention: retention.optional(),
    },
    "a map with brokers, ssl, sasl, partitions, replicationFactor, retention",
  )
  .meta({
    title: "Kafka",
    description: "The Kafka cluster that buffers the changes.",
    examples: [{ brokers: ["localhost:9092"] }],
  });

const REGISTRY_URL = "the http(s) URL of a schema registry that speaks the Confluent API";

export const registrySchema = z
  .strictObject(
    {
      url: z
        .string(REGISTRY_URL)
        .refine((text) => URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol), REGISTRY_URL)
        .meta({
          description: "URL of a schema registry with the Confluent-compatible API.",
          examples: ["http://localhost:8081"],
        }),
      auth: z
        .union(
          [
            z.strictObject({
              username: secretText("the name of the registry's user", "User for basic authentication."),
              password: secretText("the password of the registry's user", "Password; take it from the environment."),
            }),
            z.strictObject({ token: secretText("the bearer token", "Bearer token; take it from the environment.") }),
          ],
          "a map with username and password, or with token",
        )
        .optional()
        .meta({ title: "Registry authentication", examples: [{ token: "${REGISTRY_TOKEN}" }] }),
      tls: tlsSchema.optional(),
    },
    "a map with url, auth, tls",
  )
  .refine(({ url, tls }) => tls === undefined || tls === false || new URL(url).protocol === "https:", {
    path: ["url"],
    error: "an https URL, since tls is given",
  })
  .meta({
    title: "Schema registry",
    description: "Where the Avro schemas of the changes are registered.",
    examples: [{ url: "http://localhost:8081" }],
  });
