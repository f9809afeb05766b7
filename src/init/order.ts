/** Tables with parents first, and the circles in which they refer to each other. Pure. */

export type Order = {
  readonly tables: readonly string[];
  /** Of two or more tables each; a table that refers to itself is none. */
  readonly circles: readonly (readonly string[])[];
};

/** Tarjan's algorithm: along edges from child to parent, it finishes the strongly connected components of the parents first. */
export function parentsFirst(tables: readonly string[], parentsOf: (table: string) => readonly string[]): Order {
  const order: string[] = [];
  const circles: string[][] = [];
  const seen = new Map<string, { index: number; low: number; open: boolean }>();
  const stack: string[] = [];

  const visit = (table: string) => {
    const mark = { index: seen.size, low: seen.size, open: true };
    seen.set(table, mark);
    stack.push(table);
    for (const parent of parentsOf(table)) {
      const there = seen.get(parent) ?? visit(parent);
      if (there.open) mark.low = Math.min(mark.low, there.low);
    }
    if (mark.low === mark.index) {
      // In the order in which they were met, so that the one that was asked for comes first.
      const component = stack.splice(stack.indexOf(table));
      for (const one of component) {
        const its = seen.get(one);
        if (its !== undefined) its.open = false;
      }
      order.push(...component);
      if (component.length > 1) circles.push(component);
    }
    return mark;
  };

  for (const table of tables) if (!seen.has(table)) visit(table);
  return { tables: order, circles };
}
