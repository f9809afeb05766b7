export type { Faults, Provider, ServerName, Stack, StackOptions } from "./stack.ts";
export { startStack } from "./start.ts";
export { GiveUp, until, type Wait } from "./until.ts";
