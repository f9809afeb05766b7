/** Where the fields of a record batch of format 2 are (Kafka documentation, "Messages": Record Batch). */
export const BATCH = {
  baseOffset: 0,
  length: 8,
  /** The length counts from here. */
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  /** The checksum covers what comes from here on. */
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
  records: 61,
} as const;

export const MAGIC = 2;
