/**
 * How far the sequences behind a tenant's keys have to move at a switch, so that the side that it goes to never gives out a number that the side that
 * it leaves has given out, or may yet give out to others. Pure.
 */

export type Sequence = {
  /** Quoted for SQL. */
  readonly name: string;
  /** The last number that was given out (or handed to a session's cache); undefined: none was. */
  readonly last: bigint | undefined;
  readonly increment: bigint;
  readonly min: bigint;
  readonly max: bigint;
  readonly cycles: boolean;
};

/** The sequences of one column at the side that is left and at the side that the tenant goes to. `shared`: others go on using the one that is left. */
export type SequencePair = {
  readonly column: string;
  readonly leaving: Sequence;
  readonly arriving: Sequence;
  readonly shared: boolean;
};

/** A sequence is to be at `last` at least; one that is not there yet when it is moved goes on by `by` at least. */
export type Ahead = { readonly last: bigint; readonly by: bigint };

/** `block`: so many numbers beyond the arriving side's are to be its alone: the leaving side goes on behind them. Undefined: it stays where it is. */
export type SequenceMove = { readonly arriving: Ahead | undefined; readonly block: bigint | undefined };

export type NoRoom = { readonly column: string; readonly sequence: string; readonly left: bigint; readonly needed: bigint };

/**
 * Numbers that are left out at the switch, and, where the sequence that is left is shared, as many more that only the arriving side gives out. A
 * million lasts for a while and is nothing of 2^63; of an int4 it is a two-thousandth, which is why it is less where less is left.
 */
const MARGIN = 1_000_000n;
/** Below this a busy table would be through with its block at once. */
const LEAST_MARGIN = 1_000n;
/** The part of what is left that one switch may use up. */
const PART_OF_ROOM = 50n;

export function planSequence({ column, leaving, arriving, shared }: SequencePair): SequenceMove | NoRoom {
  // It gives out numbers twice by itself: there is nothing to keep apart.
  if (leaving.last === undefined || leaving.cycles || arriving.cycles) return { arriving: undefined, block: undefined };
  const step = leaving.increment;
  const further = isBeyond(arriving.last, leaving.last, step) ? arriving.last : leaving.last;
  const room = roomOf(further, step, innermost(leaving, arriving, step)) / magnitude(step);
  const margin = smaller(MARGIN, room / PART_OF_ROOM);
  if (margin < LEAST_MARGIN) return { column, sequence: arriving.name, left: room, needed: LEAST_MARGIN * PART_OF_ROOM };
  const by = margin * step;
  const wanted = leaving.last + by;
  return {
    arriving: isBeyond(arriving.last, wanted, step) ? undefined : { last: wanted, by },
    block: shared ? by : undefined,
  };
}

/** Where a sequence that has to move is then, if it is still at `now` when it moves. */
export function movedFrom(now: bigint | undefined, { last, by }: Ahead): bigint {
  return now !== undefined && isBeyond(now + by, last, by) ? now + by : last;
}

export function isNoRoom(move: SequenceMove | NoRoom): move is NoRoom {
  return "needed" in move;
}

/** The nearer end of the two in the direction of counting. */
function innermost(a: Sequence, b: Sequence, step: bigint): bigint {
  if (step > 0n) return smaller(a.max, b.max);
  return a.min > b.min ? a.min : b.min;
}

function roomOf(last: bigint, step: bigint, end: bigint): bigint {
  const room = step > 0n ? end - last : last - end;
  return room > 0n ? room : 0n;
}

/** Whether `last` is at `wanted` or has passed it. */
function isBeyond(last: bigint | undefined, wanted: bigint, step: bigint): last is bigint {
  if (last === undefined) return false;
  return step > 0n ? last >= wanted : last <= wanted;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
