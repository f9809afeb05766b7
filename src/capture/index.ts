/** From the source's WAL to the changes topic. See README.md beside this file. */

export { type Beat, PREFIX, parseBeat } from "./beat.ts";
export { partitionOf, tenantPartitions, topicPartitions } from "./partition.ts";
export { type Provision, type ProvisionDeps, provision, removeProvision } from "./provision.ts";
export { ensurePublication, extendPublication, shrinkPublication } from "./publication.ts";
export { requireNotRewound, sourceEnd } from "./rewound.ts";
export { type CaptureDeps, runCapture } from "./run.ts";
export { readSlot, type SlotState, slotName } from "./slot.ts";
export { forgetTables, isPublished } from "./source-tables.ts";
