/** What a formatted data folder depends on: the folder is made once, with these, and then copied for every start. */
export const KAFKA_IDENTITY: Record<string, string> = {
  "process.roles": "broker,controller",
  "node.id": "1",
  "controller.listener.names": "CONTROLLER",
  "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
};

/** Java's properties format, for values without line ends. */
export function properties(entries: Record<string, string>): string {
  return Object.entries(entries)
    .map(([key, value]) => `${key}=${value.replaceAll("\\", "\\\\")}\n`)
    .join("");
}
