import type { Phase } from "../../api/types.ts";

/** In the order in which a tenant goes through them; one that is missing, or unknown, does not compile. */
const ORDER: Readonly<Record<Phase, number>> = {
  planned: 0,
  expanding: 1,
  backfilling: 2,
  "catching-up": 3,
  "in-sync": 4,
  "cutting-over": 5,
  soaking: 6,
  contracted: 7,
};

export const PHASES = (Object.keys(ORDER) as Phase[]).toSorted((a, b) => ORDER[a] - ORDER[b]);
