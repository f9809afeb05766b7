/** The product's own roles (runCapture, runApply, runControl) and the copy, each as a process of a world. */

import { runApply } from "../../src/apply/index.ts";
import { runCapture } from "../../src/capture/index.ts";
import { runControl } from "../../src/control/run.ts";
import { createLogger } from "../../src/log.ts";
import type { Position } from "../../src/model/position.ts";
import type { ChangesProducer, ReplicationStream } from "../../src/ports.ts";
import { copyWaves } from "./backfill.ts";
import type { Process } from "./network.ts";
import type { Scene } from "./scene.ts";
import { database } from "./session.ts";
import { waves } from "./state.ts";
import { replicationStream } from "./stream.ts";
import { MIGRATION } from "./tables.ts";
import { onlyPartition, positionOf } from "./topic.ts";

/** Runs until its process is told to stop, or fails. */
export type Role = (scene: Scene, process: Process) => Promise<void>;

const log = createLogger("silent");

export const capture: Role = async (scene, process) => {
  const tails: (Position | undefined)[] = [];
  const tail = scene.topic.tail(process);
  await runCapture(
    {
      mapping: scene.layout.mapping,
      version: "0",
      allTenantsMove: scene.units.late.length > 0,
      refusesOrphans: false,
      source: database(scene.sourceServer, process),
      target: database(scene.target, process),
      stream: () => streamOf(scene, process),
      topic: scene.topic.port(process),
      tail: {
        last: async () => {
          for (const [partition, messages] of scene.topic.partitions.entries()) tails[partition] = messages.at(-1)?.position;
          return tail.last();
        },
      },
      producer: async () => producerOf(scene, process, tails),
      registry: scene.registry,
      log,
    },
    process.signal,
  );
};

function streamOf({ source, slot, checks, hooks }: Scene, process: Process): ReplicationStream {
  const onAcknowledge = checks.acknowledged.bind(checks);
  const stream = replicationStream({ source, slot, process, breaks: 10, onAcknowledge });
  const { acknowledge } = hooks;
  if (acknowledge === undefined) return stream;
  return { ...stream, acknowledge: (flushed) => stream.acknowledge(acknowledge(flushed, source.insertLsn)) };
}

function producerOf({ topic, checks }: Scene, process: Process, tails: readonly (Position | undefined)[]): ChangesProducer {
  const producer = topic.producer(process, { again: 15, gaveUp: 15 });
  return {
    publish: (messages) => {
      for (const { partition, headers } of messages) checks.published(partition, positionOf(headers), tails[partition]);
      return producer.publish(messages);
    },
    close: () => producer.close(),
  };
}

export const apply: Role = async (scene, process) => {
  await runApply(
    {
      migration: MIGRATION,
      mapping: scene.layout.mapping,
      source: database(scene.sourceServer, process),
      target: database(scene.target, process),
      topic: scene.topic.port(process),
      registry: scene.registry,
      mainReader: () => scene.topic.reader(process, scene.group),
      lateReader: ({ partition }) => scene.topic.reader(process, onlyPartition(partition)),
      foreignWrites: "alert",
      paused: () => scene.isPaused,
      report: (error, lane) => scene.say(() => `lane ${lane} ${error === undefined ? "goes on" : `waits: ${error.message}`}`),
      log,
    },
    process.signal,
  );
};

export const control: Role = async (scene, process) => {
  const work = async () => {
    await process.request();
  };
  await runControl(
    {
      migration: MIGRATION,
      source: database(scene.sourceServer, process),
      target: database(scene.target, process),
      builder: {
        expand: work,
        finishKeys: work,
        finishForeignKeys: async () => {
          await work();
          return [];
        },
      },
      discover: work,
      withdrawHeld: async () => undefined,
      foreignWrites: async () => undefined,
      isCopied: async (number) => {
        await process.request();
        const wave = waves(scene.target.begin()).find((each) => each.wave === number);
        return wave?.chunks?.every((chunk) => chunk.done) === true;
      },
      log,
    },
    process.signal,
  );
};

export const backfill: Role = ({ sourceServer, target, history, slotSnapshot, hooks }, process) =>
  copyWaves({
    source: sourceServer,
    target,
    history,
    slotSnapshot,
    process,
    seesAnything: hooks.epochsSeeAnything === true,
  });
