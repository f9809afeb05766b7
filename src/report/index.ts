export { type ReportData, readReport } from "./data.ts";
export { page } from "./page.ts";
export { ReportFile } from "./write.ts";
