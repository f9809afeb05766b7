/** What is wrong right now. See README.md beside this file. */

export { diagnose } from "./doctor.ts";
export { DOCTOR_CODES, type DoctorCode, type DoctorFinding } from "./finding.ts";
export type { DoctorDeps } from "./scope.ts";
