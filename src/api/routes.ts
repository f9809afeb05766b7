/** All routes but the stream of events, the metrics and the OpenAPI document, which are no JSON of a schema. */

import { CONTROL_ROUTES } from "./control-routes.ts";
import { HEALTH_ROUTES } from "./health-routes.ts";
import { READ_ROUTES } from "./read-routes.ts";
import type { Route } from "./route.ts";
import { SWITCH_ROUTES } from "./switch-routes.ts";
import { TASK_ROUTES } from "./task-routes.ts";

export const ROUTES: readonly Route[] = [...HEALTH_ROUTES, ...READ_ROUTES, ...TASK_ROUTES, ...SWITCH_ROUTES, ...CONTROL_ROUTES];
