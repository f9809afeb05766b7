import type { Command } from "commander";
import { receiptText } from "../contract/receipt.ts";
import { RehouseError } from "../errors.ts";
import type { ContractedTenant } from "./documents.ts";
import { oneLine } from "./live/width.ts";
import {
  type CommonOptions,
  type Context,
  collect,
  EXIT,
  examples,
  printJson,
  type Surroundings,
  verb,
  withEngine,
} from "./verb.ts";

type ContractOptions = CommonOptions & { tenant: string[]; yes?: boolean; now?: boolean; archive?: string };

/** `rehouse contract`: it cannot be undone, so the tenants have to be typed, or `--yes` given. */
export function contractVerb(around: Surroundings): Command {
  const command = verb("contract", "remove tenants from their old home after the soak; it cannot be undone")
    .requiredOption("--tenant <tenant>", "the tenant; may be given again", collect)
    .option("--archive <directory>", "keep the rows first, as compressed COPY files with a manifest")
    .option("--now", "do not wait until it has soaked for as long as the file says")
    .option("--yes", "do not ask")
    .action((options: ContractOptions) =>
      withEngine(options, around, async (context) => {
        if (!options.yes) await confirm(context, options.tenant);
        const asked = {
          tenants: options.tenant,
          archive: options.archive,
          now: options.now === true,
          onTenant: show(context),
        };
        const document = await context.engine.contract(asked, context.signal);
        if (context.json) printJson(context.io, document);
        return document.tenants.every(({ outcome }) => outcome === "contracted") ? EXIT.done : EXIT.no;
      }),
    );
  return examples(command, [
    ["rehouse contract --tenant 42 --archive /backup", "keeps the rows in files first"],
    ["rehouse contract --tenant 42 --tenant 43 --yes", "two tenants, without asking"],
    ["rehouse contract --tenant 42 --now --yes", "before its soak is over"],
  ]);
}

async function confirm({ io, signal }: Context, tenants: readonly string[]): Promise<void> {
  const names = tenants.join(" ");
  if (io.ask === undefined)
    throw new RehouseError("REHOUSE_USAGE", {
      what: "Removing tenants from their old home cannot be undone, and there is no terminal to ask on.",
      fix: "rehouse contract --tenant ... --yes",
    });
  io.err(
    `This clears the old home of ${oneLine(names)}: its rows there, or the old columns of tables that stay. There is no way back after it.\n`,
  );
  const answer = await io.ask(`Type ${oneLine(names)} to go on: `, signal);
  if (answer.trim() !== names)
    throw new RehouseError("REHOUSE_USAGE", {
      what: "That is not what was asked for. Nothing was changed.",
      fix: `type ${names}, or use --yes`,
    });
}

function show({ io, json, style }: Context): (tenant: ContractedTenant) => void {
  return ({ tenant, outcome, obstacles, receipt, error }) => {
    if (json) return;
    const name = oneLine(tenant);
    if (outcome === "contracted" && receipt !== null) {
      io.out(`${style.green("✓")} ${name}  has left its old home\n${receiptText(receipt).split("\n").map(oneLine).join("\n")}\n`);
      return;
    }
    const reasons = [
      ...(error === null ? [] : [`${error.code}: ${error.what}`, ...(error.fix === null ? [] : [error.fix])]),
      ...obstacles.map(({ gate, value, limit, fix }) => `${gate}: ${value}, limit ${limit}; ${fix}`),
    ];
    io.out(`${style.red("✗")} ${name}  ${outcome}\n${reasons.map((reason) => `    ${oneLine(reason)}\n`).join("")}`);
  };
}
