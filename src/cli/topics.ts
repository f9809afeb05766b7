import type { Command } from "commander";
import type { TopicsDocument } from "./documents.ts";
import { plural } from "./findings.ts";
import { oneLine } from "./live/width.ts";
import type { Style } from "./style.ts";
import { type CommonOptions, EXIT, examples, printJson, type Surroundings, verb, withEngine } from "./verb.ts";

/** Of each topic; --json has all. */
const SHOWN = 20;

/** `rehouse topics`: what is in Kafka and the registry, and how others read it. */
export function topicsVerb(around: Surroundings): Command {
  const command = verb("topics", "the migration's topics, their schemas and offsets, and how to subscribe").action(
    (options: CommonOptions) =>
      withEngine(options, around, async ({ io, style, json, engine, signal }) => {
        const document = await engine.topics(signal);
        if (json) printJson(io, document);
        else io.out(`${formatTopics(document, style)}\n`);
        return EXIT.done;
      }),
  );
  return examples(command, [
    ["rehouse topics", "topics, partitions, schemas, a kcat command, a consumer's properties"],
    ["rehouse topics --json", "the same for a program"],
  ]);
}

function formatTopics({ topics, brokers, registry, subscribe }: TopicsDocument, style: Style): string {
  const { bold, dim } = style;
  return [
    `${dim("kafka")}     ${oneLine(brokers.join(", "))}`,
    `${dim("registry")}  ${oneLine(registry)}`,
    "",
    ...topics.flatMap((topic) => [...topicLines(topic, style), ""]),
    bold("Subscribe"),
    `  ${oneLine(subscribe.kcat)}`,
    "",
    dim(
      "  A Java consumer, or a sink in Kafka Connect with the prefix key.converter. and value.converter.; the envelope is Debezium's:",
    ),
    ...Object.entries(subscribe.properties).map(([name, value]) => `  ${name}=${oneLine(value)}`),
  ].join("\n");
}

function topicLines(
  { topic, what, exists, partitions, schemas }: TopicsDocument["topics"][number],
  { bold, dim }: Style,
): string[] {
  const messages = partitions.reduce((sum, { low, high }) => sum + BigInt(high) - BigInt(low), 0n);
  const size = exists ? `${plural(partitions.length, "partition")}, ${messages} offsets` : "not there yet";
  const shown = schemas.slice(0, SHOWN);
  return [
    `${bold(oneLine(topic))}  ${size}`,
    dim(`  ${what}`),
    ...(exists ? [`  offsets ${partitions.map(({ partition, low, high }) => `${partition}: ${low}–${high}`).join(", ")}`] : []),
    ...shown.map(({ subject, id, version }) => `  schema ${id}  ${oneLine(subject)} ${dim(`version ${version}`)}`),
    ...(schemas.length > SHOWN ? [dim(`  … and ${schemas.length - SHOWN} more schemas; --json has all`)] : []),
  ];
}
