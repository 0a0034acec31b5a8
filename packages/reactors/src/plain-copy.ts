/**
 * How deep a JSON may be nested. One definition from the builder comes to some 150 levels at most (16 scopes in scopes, arguments of 32) and
 * each reactor inside of another to two more, so there is room for fifty of these; and no reader's stack is in danger.
 */
const maxDepth = 256;
/** How many members and items it may have in all: the largest definition has a tenth of them, without its constants and children. */
const maxValues = 1_000_000;

interface PlainCopy {
  readonly copy?: unknown;
  readonly problem?: { readonly path: readonly PropertyKey[]; readonly reason: string };
}

/**
 * A copy of what JSON can hold, without undefined members. Refused here, since what follows would lose it or not come back from it: a member
 * named `__proto__`, what is no JSON, and what is too deep or too much.
 */
export function copyPlain(value: unknown): PlainCopy {
  const path: PropertyKey[] = [];
  let problem: PlainCopy["problem"];
  let values = 0;
  const refuse = (reason: string) => {
    problem ??= { path: [...path], reason };
  };
  const inside = (key: PropertyKey, member: unknown) => {
    path.push(key);
    const copy = visit(member);
    path.pop();
    return copy;
  };
  const visit = (at: unknown): unknown => {
    values += 1;
    if (values > maxValues) return refuse(`more than ${maxValues} values`);
    if (path.length > maxDepth) return refuse(`nested deeper than ${maxDepth} levels`);
    if (at === null || typeof at === "boolean" || typeof at === "string") return at;
    // -0 is written as 0.
    if (typeof at === "number") return Number.isFinite(at) ? at + 0 : refuse(`${at} is not a JSON number`);
    if (typeof at !== "object")
      return refuse(`${at === undefined ? "undefined" : `a ${typeof at}`} cannot be written as JSON`);
    if (Array.isArray(at)) {
      const items: unknown[] = [];
      for (let index = 0; index < at.length && problem === undefined; index++) items.push(inside(index, at[index]));
      return items;
    }
    const prototype = Object.getPrototypeOf(at);
    if (prototype !== Object.prototype && prototype !== null) return refuse("is no plain object");
    const members: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(at)) {
      if (problem !== undefined) break;
      if (key === "__proto__") refuse("a member cannot be named __proto__");
      else if (member !== undefined) members[key] = inside(key, member);
    }
    return members;
  };
  const copy = visit(value);
  return problem === undefined ? { copy } : { problem };
}
