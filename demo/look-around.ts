import { once } from "node:events";
import type { Screen } from "./screen.ts";
import { type Servers, urlsOf } from "./servers.ts";
import { startTraffic } from "./traffic.ts";

/** Slow enough that a person can follow it. */
const PER_SECOND = 20;

/** `switched` lives at the target, `other` at the source. Leaves everything up, with a few clients at work, and says what can be tried; resolves with Ctrl-C. */
export async function lookAround(
  { servers, screen, switched, other }: { servers: Servers; screen: Screen; switched: string; other: string },
  signal: AbortSignal,
): Promise<void> {
  await using _traffic = await startTraffic(urlsOf(servers), { clients: 2, perSecond: PER_SECOND, seed: 2 });
  const { dim, bold } = screen.style;
  const commands: [string, string][] = [
    ["rehouse status --watch", "what it does now"],
    [`rehouse verify --tenant ${other}`, "compare a tenant again, while clients write"],
    [`psql "$TARGET_URL" -c "DELETE FROM tenant_${other}.members"`, "do damage, with any client,"],
    [`rehouse verify --tenant ${other}`, "and have it found"],
    [`rehouse rollback --tenant ${switched}`, "lead it back to the source, with every write made at the target"],
    [`rehouse cutover --tenant ${switched}`, "and switch it again"],
    ["rehouse pause; rehouse status; rehouse resume", "hold it, and let it catch up"],
  ];
  const widest = Math.max(...commands.map(([command]) => command.length));
  screen.line("");
  screen.line(`${bold("Everything stays up until Ctrl-C, and two clients go on writing.")} In another terminal, in this folder:`);
  screen.line("");
  for (const [name, value] of Object.entries(servers.env)) screen.line(`  export ${name}='${value}'`);
  screen.line(`  alias rehouse="$PWD/node_modules/.bin/node $PWD/src/main.ts"; cd demo`);
  screen.line("");
  for (const [command, why] of commands) screen.line(`  ${command.padEnd(widest)}  ${dim(`# ${why}`)}`);
  screen.line("");
  if (!signal.aborted) await once(signal, "abort");
}
