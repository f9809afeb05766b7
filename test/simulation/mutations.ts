/** The product, broken: at the simulation's seams, in the ways that it is most afraid of. What it then does, the simulation has to notice. */

import type { Hooks } from "./hooks.ts";

export const MUTATIONS: Readonly<Record<string, Hooks>> = {
  "the source is told more than Kafka has": { acknowledge: (_, written) => written },
  "Kafka answers before a batch is on all replicas": { answersAnyway: true },
  "the topic's tail is not looked at": { tail: () => undefined },
  "a reader leaves out a message, and nobody sees a gap": {
    delivered: (batch) => (batch.messages.length < 3 ? batch : { ...batch, messages: batch.messages.toSpliced(1, 1) }),
  },
  "visibility is off by one": {
    snapshot: (_, { snapshot }) => `${snapshot.xmin}:${snapshot.xmax + 1n}:${[...snapshot.inProgress].join(",")}`,
  },
  "a transaction that was in progress counts as part of the copy": {
    snapshot: (_, { snapshot }) => `${snapshot.xmax}:${snapshot.xmax}:`,
  },
  "the newest epoch says what the copy holds, not the oldest": {
    snapshot: ({ wave }, oldest, all) => all.findLast((epoch) => epoch.wave === wave)?.text ?? oldest.text,
  },
  "an epoch may miss what an earlier one sees": { epochsSeeAnything: true },
  "the newest note gives a tenant's start, whatever its epoch had passed": { note: (_, all) => all.at(-1) ?? _ },
  "a late tenant joins the main lane wherever that stands": { joinsAnywhere: true },
  "a lane does not store its position": { advance: (from, to) => ({ ...to, lsn: from.lsn, ordinal: from.ordinal }) },
};

/** What a tenant pays for once in some hundred migrations. */
export const RARE_MUTATIONS: Readonly<Record<string, Hooks>> = {
  "a change is written into a row that is another tenant's by now": { writesOverOthers: true },
  "a change is left out wherever another tenant's row has its key": { everybodyIsAhead: true },
  "a beat names the xmax of its snapshot, which may be a transaction that is in the WAL already": {
    beatsNameXmax: true,
    slowStandby: true,
  },
};
