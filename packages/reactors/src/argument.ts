import type { JsonValue } from "@viable/kernel";

/** How to get from a value to a part of it: `["lines", "0", "price"]`. */
export type Path = readonly string[];

/** Where a step's argument comes from, as data. */
export type Argument =
  | { readonly from: "input"; readonly path: Path }
  /** Result of another step, by its static path: `pay`, or `ship/label` inside the map `ship`. */
  | { readonly from: "result"; readonly step: string; readonly path: Path }
  /** The element that is being mapped, or what the last turn of a repeat left; `of` is the map's or repeat's static path. */
  | { readonly from: "element"; readonly of: string; readonly path: Path }
  /** Its number, from 0. */
  | { readonly from: "index"; readonly of: string }
  | { readonly from: "value"; readonly value: JsonValue }
  | { readonly from: "object"; readonly members: { readonly [name: string]: Argument } }
  | { readonly from: "list"; readonly items: readonly Argument[] };

/** What arguments are taken from while a run goes on. */
export interface Sources {
  readonly input: unknown;
  result(step: string): unknown;
  element(of: string): unknown;
  index(of: string): number;
}

/** The value of an argument. What is not there is undefined, and is left out of objects. */
export function resolve(argument: Argument, sources: Sources): unknown {
  switch (argument.from) {
    case "input":
      return follow(sources.input, argument.path);
    case "result":
      return follow(sources.result(argument.step), argument.path);
    case "element":
      return follow(sources.element(argument.of), argument.path);
    case "index":
      return sources.index(argument.of);
    case "value":
      return argument.value;
    case "list":
      return argument.items.map((item) => resolve(item, sources) ?? null);
    case "object": {
      const value: Record<string, unknown> = {};
      for (const name in argument.members) {
        const member = resolve(argument.members[name] as Argument, sources);
        if (member !== undefined) value[name] = member;
      }
      return value;
    }
  }
}

function follow(value: unknown, path: Path): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

/** All that an argument is taken from, constants aside. */
export function* sourcesOf(argument: Argument): Generator<Argument> {
  if (argument.from === "object") for (const member of Object.values(argument.members)) yield* sourcesOf(member);
  else if (argument.from === "list") for (const item of argument.items) yield* sourcesOf(item);
  else if (argument.from !== "value") yield argument;
}
