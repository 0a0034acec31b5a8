/** Something that comes after others. */
export interface Ordered {
  readonly id: string;
  readonly after: readonly string[];
}

/** What is wrong with an order, and where: `path` is the index in the list and what follows. */
export interface OrderProblem {
  readonly path: (string | number)[];
  readonly reason: string;
}

/** Ids that are there twice, that are not there, and a circle, with its way round. */
export function findOrderProblems(items: readonly Ordered[]): OrderProblem[] {
  const problems: OrderProblem[] = [];
  const indexes = new Map<string, number>();
  for (const [index, { id }] of items.entries()) {
    if (indexes.has(id)) problems.push({ path: [index, "id"], reason: `"${id}" is there twice` });
    else indexes.set(id, index);
  }
  for (const [index, { after }] of items.entries()) {
    for (const [at, id] of after.entries()) {
      if (!indexes.has(id)) problems.push({ path: [index, "after", at], reason: `there is no "${id}"` });
    }
  }
  if (problems.length > 0) return problems;
  const circle = findCircle(items);
  if (circle === undefined) return [];
  const way = circle.map((id) => `"${id}"`).join(" after ");
  return [{ path: [indexes.get(circle[0] as string) as number, "after"], reason: `they wait for each other: ${way}` }];
}

/** A way round, its first id again at the end; undefined where everything has its turn. */
function findCircle(items: readonly Ordered[]): string[] | undefined {
  const byId = new Map(items.map((each) => [each.id, each]));
  const done = new Set<string>();
  for (const { id } of items) {
    /** The way from `id` to where we are; each with the next of its `after` to look at. */
    const way: { readonly item: Ordered; next: number }[] = [];
    const onWay = new Set<string>();
    const enter = (item: Ordered | undefined): void => {
      if (item === undefined || done.has(item.id)) return;
      way.push({ item, next: 0 });
      onWay.add(item.id);
    };
    enter(byId.get(id));
    for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
      const needed = last.item.after[last.next++];
      if (needed === undefined) {
        way.pop();
        onWay.delete(last.item.id);
        done.add(last.item.id);
      } else if (onWay.has(needed)) {
        const ids = way.map((each) => each.item.id);
        return [...ids.slice(ids.indexOf(needed)), needed];
      } else enter(byId.get(needed));
    }
  }
  return undefined;
}
