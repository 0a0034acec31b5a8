import type { JsonValue } from "@viable/kernel";
import { findJsonProblem, ViableError } from "@viable/kernel";
import type { Argument } from "./argument.ts";

declare const refers: unique symbol;

/**
 * Stands for a value that there will be when a run gets there: `results.pay.receipt` is a ref to the member of a result. It can be
 * handed on and gone into, and not computed with: what must be computed is a step.
 */
export type Ref<T> = { readonly [refers]: T } & Members<NonNullable<T>>;

type Members<T> = T extends readonly (infer Item)[]
  ? { readonly [index: number]: Ref<Item> }
  : T extends object
    ? { readonly [Key in keyof T]-?: Ref<T[Key]> }
    : unknown;

/** What may be written as an argument: refs, constants, and objects and lists of them. */
export type Template =
  | Ref<unknown>
  | null
  | boolean
  | number
  | string
  | readonly Template[]
  | { readonly [name: string]: Template | undefined };

/** What a step is called with, for a template. */
export type Resolved<T> = T extends { readonly [refers]: infer Value }
  ? Value
  : T extends null | undefined | boolean | number | string
    ? T
    : T extends readonly unknown[]
      ? { [Index in keyof T]: Resolved<T[Index]> }
      : { [Key in keyof T]: Resolved<T[Key]> };

/** How a proxy is asked what it stands for. */
const standsFor = Symbol("stands for");

/** A ref to an argument: going into it gives refs to its parts. */
export function refTo<T>(argument: Argument): Ref<T> {
  return new Proxy(Object.create(null), {
    get(_target, key) {
      if (key === standsFor) return argument;
      if (typeof key === "symbol") return undefined;
      if (!("path" in argument)) return undefined;
      return refTo({ ...argument, path: [...argument.path, key] });
    },
    has: (_target, key) => key === standsFor,
  }) as Ref<T>;
}

/** Refs to members whose names are known, such as `results`. One that is not there is told by `missing`. */
export function refsTo<T>(members: ReadonlyMap<string, Argument>, missing: (name: string) => Error): T {
  return new Proxy(Object.create(null), {
    get(_target, key) {
      if (typeof key === "symbol") return undefined;
      const argument = members.get(key);
      if (argument === undefined) throw missing(key);
      return refTo(argument);
    },
  }) as T;
}

/** What a template says, as data. Throws `reactor.invalid_argument` where something in it is neither a ref nor JSON. */
export function toArgument(template: unknown, path = "args", depth = 0): Argument {
  if (depth > 32) throw invalidArgument(path, "nested deeper than 32 levels");
  if (typeof template === "object" && template !== null) {
    if (standsFor in template) return (template as { [standsFor]: Argument })[standsFor];
    if (Array.isArray(template)) {
      const items = template.map((item, index) => toArgument(item, `${path}[${index}]`, depth + 1));
      return items.every(isConstant)
        ? { from: "value", value: items.map((item) => item.value) }
        : { from: "list", items };
    }
    if (Object.hasOwn(template, "__proto__")) throw invalidArgument(path, "a member cannot be named __proto__");
    const members = Object.fromEntries(
      Object.entries(template)
        .filter(([, member]) => member !== undefined)
        .map(([name, member]) => [name, toArgument(member, `${path}.${name}`, depth + 1)]),
    );
    const problem = Object.getPrototypeOf(template) === Object.prototype ? undefined : findJsonProblem(template, path);
    if (problem !== undefined) throw invalidArgument(problem.path, problem.reason);
    const constants = Object.entries(members).flatMap(([name, member]) =>
      isConstant(member) ? [[name, member.value]] : [],
    );
    return constants.length === Object.keys(members).length
      ? { from: "value", value: Object.fromEntries(constants) }
      : { from: "object", members };
  }
  const problem = findJsonProblem(template, path);
  if (problem !== undefined) throw invalidArgument(problem.path, problem.reason);
  return { from: "value", value: template as JsonValue };
}

const isConstant = (argument: Argument): argument is Argument & { from: "value" } => argument.from === "value";

const invalidArgument = (path: string, reason: string): ViableError =>
  new ViableError("reactor.invalid_argument", `${path}: ${reason}.`, {
    next: "An argument is made of refs (input, results, element) and plain JSON; compute in a step.",
    details: { path, reason },
  });
