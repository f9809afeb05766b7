/** Every fault of the ways to the servers and of the messages on them. `npm test` takes a selection, `npm run faults` all of them. */

import { faultTests } from "./support/cells.ts";
import { WAY_FAULTS } from "./support/faults.ts";

faultTests(WAY_FAULTS);
