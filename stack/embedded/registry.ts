import { join } from "node:path";
import { registryAnswers } from "../answers.ts";
import type { Guard } from "./guard.ts";
import type { JavaServers } from "./java.ts";
import { Server } from "./server.ts";

/** A schema registry that keeps its schemas in a file, each from the moment it is there: a restart, or a kill, finds them again. */
export async function startRegistry(
  guard: Guard,
  servers: JavaServers,
  place: { port: number; jvm: string[] },
): Promise<{ url: string; server: Server }> {
  const url = `http://127.0.0.1:${place.port}/apis/ccompat/v7`;
  const server = new Server(
    guard,
    {
      name: "registry",
      command: servers.java,
      args: [
        // The short way to a started JVM: it serves a few hundred requests in its life.
        ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"],
        [`-Dquarkus.http.host=127.0.0.1`, `-Dquarkus.http.port=${place.port}`, "-Dquarkus.http.limits.max-body-size=20M"],
        [...place.jvm, "-jar", servers.registry.jar],
      ].flat(),
      env: {
        REGISTRY_DATASOURCE_URL: `jdbc:h2:file:${join(guard.folder, "registry")};DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0`,
        // It lists 1,000 subjects unless told, and says nothing of the rest.
        REGISTRY_CCOMPAT_MAX_SUBJECTS: "100000",
        LOG_LEVEL: "WARN",
        REGISTRY_LOG_LEVEL: "WARN",
      },
      cwd: servers.registry.folder,
      user: {},
      log: join(guard.folder, "registry.log"),
      end: "SIGKILL",
    },
    { answers: () => registryAnswers(url), orderly: "SIGTERM" },
  );
  await server.start();
  return { url, server };
}
