export { type DeliverDeps, deliverRoutes } from "./deliver.ts";
export { ROUTE_KEY_SCHEMA, ROUTE_SCHEMA, routesTopicName } from "./message.ts";
export { recordRoute, type Switched } from "./record.ts";
export type { Home, RouteChange } from "./route.ts";
export { type FailingChannel, readFailingChannels } from "./status.ts";
export { topicChannel } from "./topic.ts";
export { webhookChannel } from "./webhook.ts";
