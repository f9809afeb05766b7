/** The HTTP API of one migration. See README.md beside this file. */

export { type Listening, type ListenOptions, listen } from "./listen.ts";
export { openApiDocument } from "./openapi.ts";
export { createServer } from "./server.ts";
