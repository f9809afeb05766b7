export { type ComparedBy, type Comparison, noteComparison, targetClock, VERIFIED } from "./comparisons.ts";
export { closeRepaired, closeUnseen, noteDifferences } from "./differences.ts";
export { NO_SECRETS, type SecretColumns, Secrets, secretColumns } from "./secrets.ts";
export { type ComparedUnit, OF_UNIT, unitParams } from "./unit.ts";
