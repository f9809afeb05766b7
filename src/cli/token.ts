import { Command, InvalidArgumentError, Option } from "commander";
import { ACCESS_ROLES, type AccessRole, type TokenRecord } from "../access/index.ts";
import { operatorName } from "../operator.ts";
import { oneLine } from "./live/width.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, EXIT, examples, type Surroundings, verb, withEngine } from "./verb.ts";

const DAY_MS = 24 * 60 * 60_000;
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 60 * 60_000, d: DAY_MS };
const MOST_DAYS = 10 * 366;

type CreateOptions = CommonOptions & { role: AccessRole; name: string; expires?: number };

/** `rehouse serve token`: who may use the API. */
export function tokenVerb(around: Surroundings): Command {
  const command = new Command("token")
    .description("make, list and revoke the tokens of the API")
    .addCommand(createVerb(around))
    .addCommand(listVerb(around))
    .addCommand(revokeVerb(around));
  return examples(command, [
    ["rehouse serve token create --role operator --name deploys --expires 90d", "prints it once"],
    ["rehouse serve token list", "who has one, and when each was used last"],
    ["rehouse serve token revoke deploys", "by its name or id"],
  ]);
}

function createVerb(around: Surroundings): Command {
  return verb("create", "make a token, and print it: it can never be shown again")
    .addOption(
      new Option("--role <role>", "what it allows; each may do what the one before it may")
        .choices(ACCESS_ROLES)
        .makeOptionMandatory(),
    )
    .requiredOption("--name <name>", "whom or what it is for; the audit shows it", tokenName)
    .option("--expires <time>", "how long it is good: 12h, 90d (default: until it is revoked)", lifetime)
    .action((options: CreateOptions) =>
      withEngine(options, around, async ({ io, json, engine }) => {
        const { role, name, expires: expiresInMs } = options;
        const { token, text } = await engine.access.createToken({ role, name, expiresInMs, by: operatorName() });
        if (json) io.out(`${JSON.stringify({ formatVersion: 1, token, text })}\n`);
        else {
          // Alone on stdout, so that a script can take it.
          io.err(`Token ${token.id} of ${oneLine(name)}, ${role}, ${until(token)}. It is not shown again:\n`);
          io.out(`${text}\n`);
        }
        return EXIT.done;
      }),
    );
}

function listVerb(around: Surroundings): Command {
  return verb("list", "the tokens, and when each was used last").action((options: CommonOptions) =>
    withEngine(options, around, async ({ io, json, style, engine }) => {
      const tokens = await engine.access.listTokens();
      if (json) io.out(`${JSON.stringify({ formatVersion: 1, tokens })}\n`);
      else io.out(tokens.length === 0 ? "There is no token.\n" : tokens.map((token) => `${tokenLine(token, style)}\n`).join(""));
      return EXIT.done;
    }),
  );
}

function revokeVerb(around: Surroundings): Command {
  return verb("revoke", "end a token: it lets nobody in any more")
    .argument("<token>", "its id or name")
    .action((idOrName: string, options: CommonOptions) =>
      withEngine(options, around, async ({ io, json, engine }) => {
        const token = await engine.access.revokeToken({ idOrName, by: operatorName() });
        if (json) io.out(`${JSON.stringify({ formatVersion: 1, token })}\n`);
        else io.out(`Token ${token.id} of ${oneLine(token.name)} is revoked.\n`);
        return EXIT.done;
      }),
    );
}

function tokenLine(token: TokenRecord, style: Style): string {
  const isOver = token.revokedAt !== null || (token.expiresAt !== null && Date.parse(token.expiresAt) <= Date.now());
  const used = token.lastUsedAt === null ? "never used" : `last used ${token.lastUsedAt}`;
  const line = `${token.id}  ${token.role.padEnd(8)}  ${oneLine(token.name)}  ${until(token)}, ${used}`;
  return isOver ? style.dim(line) : line;
}

function until({ revokedAt, expiresAt }: TokenRecord): string {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  return expiresAt === null ? "does not expire" : `${Date.parse(expiresAt) <= Date.now() ? "expired" : "expires"} ${expiresAt}`;
}

function lifetime(text: string): number {
  const [, count, unit = ""] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN);
  if (ms > 0 && ms <= MOST_DAYS * DAY_MS) return ms;
  throw new InvalidArgumentError("It is a time such as 30m, 12h or 90d, ten years at most.");
}

function tokenName(text: string): string {
  if (/^[^\p{Cc}]{1,100}$/u.test(text) && text.trim() !== "") return text;
  throw new InvalidArgumentError("It is a text of 1 to 100 characters on one line.");
}
