/** Clears a tenant's old home after the soak. See README.md beside this file. */

export { readContracts } from "./begun.ts";
export { type ContractRequest, contract } from "./contract.ts";
export type { ContractDocument, ContractedTenant } from "./document.ts";
export { type Receipt, receiptText } from "./receipt.ts";
