/** The changes topic's messages: schemas, names, headers, the writer that capture uses and the reader that apply uses. Pure. */

export { Encoder, OP, type Op, type SourceStamp, type TransactionStamp } from "./encoder.ts";
export {
  type Headers,
  isTxLast,
  readOp,
  readPosition,
  readTable,
  readTenant,
  readUnavailable,
  TX_LAST,
  UNAVAILABLE_VALUE,
  unavailableHeader,
} from "./headers.ts";
export { changesTopicName, serverName, subjectOf } from "./names.ts";
export { PositionReader } from "./positions.ts";
export { RowReader, schemaIdOf } from "./reader.ts";
export { formatReread, parseReread, type Reread } from "./reread.ts";
export {
  type EnvelopeColumn,
  type EnvelopeTable,
  keySchema,
  messageKeySchema,
  messageValueSchema,
  type NamedSchema,
  readValueSchema,
  type ValueSchema,
  valueSchema,
} from "./schema.ts";
export { Slab } from "./slab.ts";
