/** The manifests and the image, as far as they can be read without a cluster or an engine. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { ROLES } from "../../src/cli/engine.ts";
import { loadMigrationFile } from "../../src/file/index.ts";
import { inDirectory } from "../file/support.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(ROOT, "ops", "kubernetes");
const MOUNT = "/run/secrets/rehouse";

const container = z.object({
  image: z.literal("rehouse"),
  args: z.array(z.string()),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal("ALL")]) }),
  }),
  resources: z.object({ requests: z.object({ cpu: z.string(), memory: z.string() }), limits: z.object({ memory: z.string() }) }),
  readinessProbe: z.object({ exec: z.object({ command: z.array(z.string()) }) }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().default(false) })),
});
const deployment = z.object({
  kind: z.literal("Deployment"),
  spec: z.object({
    replicas: z.number(),
    strategy: z.object({ type: z.string() }),
    template: z.object({
      spec: z.object({
        automountServiceAccountToken: z.literal(false),
        securityContext: z.object({
          runAsNonRoot: z.literal(true),
          seccompProfile: z.object({ type: z.literal("RuntimeDefault") }),
        }),
        containers: z.array(container).length(1),
      }),
    }),
  }),
});

async function documents(file: string): Promise<unknown[]> {
  const read = parseAllDocuments(await readFile(join(FOLDER, file), "utf8"));
  return read.map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  });
}

describe("ops/kubernetes", () => {
  it("is YAML, and kustomization.yaml names every file of it but the example of a Secret", async () => {
    const files = (await readdir(FOLDER)).filter((name) => name.endsWith(".yaml"));
    for (const file of files)
      for (const each of await documents(file))
        expect(each, file).toMatchObject({ apiVersion: expect.any(String), kind: expect.any(String) });
    const { resources } = parse(await readFile(join(FOLDER, "kustomization.yaml"), "utf8"));
    expect([...resources, "kustomization.yaml", "secrets.example.yaml"].sort()).toEqual(files.sort());
  });

  it("has a Deployment for each role, without rights, and one process at most of those that have to be alone", async () => {
    const found = (await documents("roles.yaml")).map((each) => deployment.parse(each).spec);
    const roles = found.map(({ template }) => template.spec.containers[0]?.args);
    expect(new Set(roles.map((args) => args?.join(" ")))).toEqual(new Set(ROLES.map((role) => `run --role ${role}`)));
    for (const { replicas, strategy, template } of found) {
      const { args = [], volumeMounts = [] } = template.spec.containers[0] ?? {};
      expect(["capture", "control"].includes(args[2] ?? "") ? [replicas, strategy.type] : []).toEqual(
        ["capture", "control"].includes(args[2] ?? "") ? [1, "Recreate"] : [],
      );
      expect(volumeMounts.filter(({ readOnly }) => !readOnly).map(({ mountPath }) => mountPath)).toEqual(["/tmp"]);
    }
  });

  it("has a migration file that is right, whose secrets are those of the Secret", async () => {
    const [config] = await documents("config.yaml");
    const [secret] = await documents("secrets.example.yaml");
    const text = z.object({ data: z.object({ "rehouse.yaml": z.string() }) }).parse(config).data["rehouse.yaml"];
    const names = Object.keys(z.object({ stringData: z.record(z.string(), z.string()) }).parse(secret).stringData);
    expect(new Set([...text.matchAll(/\/run\/secrets\/rehouse\/([a-z.-]+)/g)].map((match) => match[1]))).toEqual(new Set(names));
    const secrets = Object.fromEntries(names.map((name) => [name, `of ${name}`]));
    await inDirectory({ ...secrets, "rehouse.yaml": text.replaceAll(`${MOUNT}/`, "") }, async (directory) => {
      const file = await loadMigrationFile(join(directory, "rehouse.yaml"), {});
      expect(new URL(file.source.url).password).toBe(encodeURIComponent("of source-password"));
      expect(file.registry.tls).toMatchObject({ ca: "of ca.pem" });
    });
  });
});

it("the image runs as nobody's root, and asks of its health by a verb", async () => {
  const text = await readFile(join(ROOT, "Dockerfile"), "utf8");
  const last = text.slice(text.lastIndexOf("\nFROM "));
  expect(last).toMatch(/^USER 1000:1000$/m);
  expect(last).toMatch(/^HEALTHCHECK .* CMD \["rehouse", "status", "--json"\]$/m);
  expect(last).toMatch(/^ENTRYPOINT \["rehouse"\]$/m);
  const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) => match[1]?.split(" ") ?? []);
  const ignored = new Set((await readFile(join(ROOT, ".dockerignore"), "utf8")).split("\n"));
  expect(copied.filter((name) => !ignored.has(`!${name}`))).toEqual([]);
});
