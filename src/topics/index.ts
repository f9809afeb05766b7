export type { TopicsDocument } from "./document.ts";
export { type TopicsDeps, topics } from "./topics.ts";
