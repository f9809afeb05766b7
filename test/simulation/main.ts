/**
 * `npm run simulate -- [--seeds N] [--from SEED]`: the simulation with N seeds (1,000), one after the other; what a seed finds is printed with the
 * command that replays it. `--seed SEED`: that one, telling all that happens. The exit code is 1 when something was found.
 */

import { parseArgs } from "node:util";
import { type Outcome, simulate } from "./world.ts";

const { values } = parseArgs({ options: { seeds: { type: "string" }, from: { type: "string" }, seed: { type: "string" } } });
const say = (line: string) => process.stdout.write(`${line}\n`);

process.exitCode =
  values.seed === undefined ? await many(number(values.from, 1), number(values.seeds, 1_000)) : await one(number(values.seed, 1));

async function one(seed: number): Promise<number> {
  const outcome = await simulate(seed, {}, say);
  say(JSON.stringify(outcome, undefined, 2));
  return outcome.finding === undefined ? 0 : 1;
}

async function many(from: number, count: number): Promise<number> {
  const before = process.cpuUsage();
  const sums = { transactions: 0, messages: 0, laneCommits: 0, comparisons: 0, kills: 0, stops: 0, lateLanes: 0, epochs: 0 };
  let found = 0;
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed);
    for (const name of names(sums)) sums[name] += outcome[name];
    if (outcome.finding === undefined) continue;
    found++;
    say(`seed ${seed} (${outcome.layout}): ${outcome.finding}`);
    say(`  npm run simulate -- --seed ${seed}`);
  }
  const { user, system } = process.cpuUsage(before);
  const perSecond = count / ((user + system) / 1e6);
  const rich = names(sums).map((name) => `${(sums[name] / count).toFixed(1)} ${name}`);
  say(
    `${count} seeds, ${found} with a finding, ${perSecond.toFixed(0)} seeds a second of one core; a seed has ${rich.join(", ")}`,
  );
  return found === 0 ? 0 : 1;
}

type Sums = Pick<
  Outcome,
  "transactions" | "messages" | "laneCommits" | "comparisons" | "kills" | "stops" | "lateLanes" | "epochs"
>;

function names(sums: Sums): (keyof Sums)[] {
  return Object.keys(sums).filter((name): name is keyof Sums => name in sums);
}

function number(text: string | undefined, otherwise: number): number {
  const value = Number(text ?? otherwise);
  if (!Number.isSafeInteger(value)) throw new RangeError(`not a whole number: ${text}`);
  return value;
}
