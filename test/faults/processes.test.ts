/** Every fault of processes, and of failpoints in them. `npm test` takes a selection, `npm run faults` all of them. */

import { faultTests } from "./support/cells.ts";
import { PROCESS_FAULTS } from "./support/faults.ts";

faultTests(PROCESS_FAULTS);
