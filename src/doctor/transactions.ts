/** Transactions of the application that a switch, or the making of a slot, would wait for. */

import { oldTransactions } from "../cutover/index.ts";
import { literal } from "../model/sql.ts";
import { placeOf, type Side } from "../orphans/index.ts";
import { type DoctorFinding, duration, warning } from "./finding.ts";

export async function transactionFindings(side: Side, olderThanMs: number): Promise<DoctorFinding[]> {
  return (await oldTransactions(side.database, olderThanMs)).map(({ pid, prepared, who, ageMs }) =>
    prepared === undefined
      ? warning(
          "transaction-old",
          placeOf(side),
          `a transaction of ${who} (pid ${pid}) has been open for ${duration(ageMs)}: the gate of a switch refuses while it is, and a new slot waits for it`,
          `end it, or: SELECT pg_terminate_backend(${pid});`,
        )
      : warning(
          "prepared-old",
          placeOf(side),
          `the prepared transaction of ${who} has been open for ${duration(ageMs)}: the gate of a switch refuses while it is, and a new slot waits for it`,
          `COMMIT PREPARED ${literal(prepared)};  or ROLLBACK PREPARED ${literal(prepared)};`,
        ),
  );
}
