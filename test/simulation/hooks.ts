/** Where a broken product is broken (mutations.ts). Each leaves everything as it is when it is not given. */

import type { Lsn } from "../../src/model/position.ts";
import type { SourceHooks } from "./source-server.ts";
import type { TargetHooks } from "./target.ts";
import type { TopicHooks } from "./topic.ts";

export type Hooks = TargetHooks &
  TopicHooks &
  SourceHooks & {
    readonly epochsSeeAnything?: boolean;
    /** Whether most commits wait for a standby, invisible; left out: a matter of the seed. */
    readonly slowStandby?: boolean;
    readonly acknowledge?: (flushed: Lsn, written: Lsn) => Lsn;
  };
