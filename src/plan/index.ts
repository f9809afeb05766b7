export type { PlanDocument, PlannedStep, PlannedTable } from "./document.ts";
export { plan } from "./plan.ts";
