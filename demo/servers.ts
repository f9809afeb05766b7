import { randomBytes } from "node:crypto";
import { type Stack, startStack } from "../stack/index.ts";
import { withClient } from "./client.ts";

/** The servers of the demo, with two empty databases that are its own. */
export type Servers = AsyncDisposable & {
  provider: Stack["provider"];
  sourceUrl: string;
  targetUrl: string;
  /** Whether the servers go on when the demo ends, so that what it made there has to be removed. */
  outlive: boolean;
  /** The addresses under the names that rehouse.yaml takes from the environment. */
  env: Record<string, string>;
};

export function urlsOf({ sourceUrl: source, targetUrl: target }: Servers): { source: string; target: string } {
  return { source, target };
}

/** There is nothing to run on; the message says what is missing. */
export class NoServers extends Error {}

export async function startServers(log: (line: string) => void): Promise<Servers> {
  // Of interest is what takes long: downloads. That each server answers is what the demo itself says next.
  const stack = await startStack({ log: (line) => line.includes(" answers after ") || log(line) }).catch((cause: unknown) => {
    throw new NoServers(cause instanceof Error ? cause.message : String(cause), { cause });
  });
  if (stack.provider !== "environment") {
    const { provider, sourceUrl, targetUrl } = stack;
    return { provider, sourceUrl, targetUrl, outlive: false, env: stack.env(), [Symbol.asyncDispose]: () => stack.stop() };
  }
  return await onServersOfOthers(stack);
}

/** Databases that somebody named in the environment may hold anything: the demo makes two beside them, and drops those at its end. */
async function onServersOfOthers(stack: Stack): Promise<Servers> {
  const name = `rehouse_demo_${randomBytes(4).toString("hex")}`;
  const drop = async () => {
    for (const url of [stack.sourceUrl, stack.targetUrl]) await onServer(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  };
  try {
    for (const url of [stack.sourceUrl, stack.targetUrl]) await onServer(url, `CREATE DATABASE ${name}`);
  } catch (cause) {
    await drop().catch(() => undefined);
    throw new NoServers(
      `the demo cannot make databases on the servers of the environment: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
  const sourceUrl = withDatabase(stack.sourceUrl, name);
  const targetUrl = withDatabase(stack.targetUrl, name);
  return {
    provider: stack.provider,
    sourceUrl,
    targetUrl,
    outlive: true,
    env: { ...stack.env(), SOURCE_URL: sourceUrl, TARGET_URL: targetUrl },
    [Symbol.asyncDispose]: drop,
  };
}

function withDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

async function onServer(url: string, statement: string): Promise<void> {
  await withClient(url, (client) => client.query(statement));
}
