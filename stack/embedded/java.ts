import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The oldest Java that the broker runs on. */
const OLDEST = 17;

export const NOTHING_TO_START_WITH =
  `no Docker engine answers, and no Java ${OLDEST} with Maven: install one of them (Docker; or a JDK ${OLDEST} or newer and Maven), ` +
  "or set SOURCE_URL, TARGET_URL, KAFKA_BROKERS and REGISTRY_URL to servers of your own";

/** What the Java servers are started from. */
export type JavaServers = {
  java: string;
  kafka: JavaProgram;
  /** A formatted data folder of a broker, to be copied. */
  kafkaData: string;
  registry: JavaProgram & { jar: string };
};

export type JavaProgram = {
  /** Where the jars are. Programs start in it and name their jars relative to it: see class-archives.ts. */
  folder: string;
  /** Its classes as the JVM has them in memory, see class-archives.ts. It may be missing, and is only for one Java. */
  archive: string;
};

/** The path of a Java that is new enough. */
export async function findJava(): Promise<string> {
  const home = process.env["JAVA_HOME"];
  const java = home ? join(home, "bin", "java") : "java";
  const version = await run(java, ["-version"]).then(
    ({ stderr }) => stderr,
    () => undefined,
  );
  if (version === undefined) throw new Error(NOTHING_TO_START_WITH);
  // Java 8 calls itself 1.8.
  const major = Number(/version "(?:1\.)?(\d+)/.exec(version)?.[1]);
  if (!(major >= OLDEST)) throw new Error(`${NOTHING_TO_START_WITH} (${java} is ${version.split("\n")[0]})`);
  return java;
}
