/** Every fault of processes, ways, messages and failpoints. `npm test` takes a selection, `npm run faults` all of them. */

import { faultTests } from "./support/cells.ts";
import { FAULTS } from "./support/faults.ts";

faultTests(FAULTS);
