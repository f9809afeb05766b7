/** All routes but the stream of events and the OpenAPI document, which are no JSON of a schema. */

import { ACT_ROUTES } from "./act-routes.ts";
import { CONTROL_ROUTES } from "./control-routes.ts";
import { HEALTH_ROUTES } from "./health-routes.ts";
import { READ_ROUTES } from "./read-routes.ts";
import type { Route } from "./route.ts";

export const ROUTES: readonly Route[] = [...HEALTH_ROUTES, ...READ_ROUTES, ...ACT_ROUTES, ...CONTROL_ROUTES];
