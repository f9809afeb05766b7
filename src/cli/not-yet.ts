import { Command } from "commander";
import { RehouseError } from "../errors.ts";

/** Declared, and not in this version. They answer by name, so that nobody looks for a typing error. */
const NOT_YET = ["import"];

export function notYetVerbs(available: () => readonly string[]): Command[] {
  return NOT_YET.map((name) =>
    new Command(name)
      .argument("[any...]")
      .allowUnknownOption()
      .helpOption(false)
      .action(() => {
        throw new RehouseError("REHOUSE_USAGE", {
          what: `\`rehouse ${name}\` is not in this version.`,
          fix: `this version has: ${available().join(", ")}`,
        });
      }),
  );
}
