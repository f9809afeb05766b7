/** For those who watch over the process. Neither needs a token, and neither tells anything about the move. */

import { z } from "zod";
import { readiness } from "./history-schema.ts";
import { type Route, route, takes } from "./route.ts";

const anyone = { role: "viewer", tokenless: "always", method: "GET" } as const;

export const HEALTH_ROUTES: readonly Route[] = [
  route({
    ...anyone,
    path: "/livez",
    summary: "The process is alive; nobody is asked",
    takes: takes({}),
    gives: z.object({ alive: z.boolean() }),
    handle: async () => ({ body: { alive: true } }),
  }),

  route({
    ...anyone,
    path: "/readyz",
    summary: "Whether both databases answer, and every role that there is work for has told of itself lately; 503 when not",
    takes: takes({}),
    gives: readiness,
    handle: async ({ around }) => {
      const { source, target, roles } = await around.readiness();
      const ready = source && target && Object.values(roles).every(Boolean);
      return { body: { ready, source, target, roles }, status: ready ? 200 : 503 };
    },
  }),
];
