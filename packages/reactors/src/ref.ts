import type { JsonValue } from "@viable/kernel";
import { findJsonProblem, ViableError } from "@viable/kernel";
import type { Argument } from "./argument.ts";

declare const refers: unique symbol;

/** What marks a type as a ref. A getter of a class, since that is what is left out of the type where a ref is spread: then its members are there alone. */
declare abstract class Referring<T> {
  get [refers](): T;
}

/**
 * Stands for a value that there will be when a run gets there: `results.pay.receipt` is a ref to the member of a result. It can be
 * handed on and gone into, and not computed with: what must be computed is a step. What is inside of something that may be null or
 * undefined may be undefined.
 */
export type Ref<T> = Referring<T> & Members<NonNullable<T>, MissingIn<T>>;

/** What comes of going into a value besides what is there: undefined, where the value itself may not be there. */
type MissingIn<T> = null extends T ? undefined : undefined extends T ? undefined : never;

type Members<T, Missing> = T extends readonly (infer Item)[]
  ? { readonly [index: number]: Ref<Item | Missing> }
  : T extends object
    ? { readonly [Key in keyof T]-?: Ref<T[Key] | Missing> }
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

/**
 * Takes a ref to what may be a list, or is not known; of one to a text or a number it asks for something that none has, whose name says why. What is
 * written out is looked at where it is.
 */
export type ListAlone<T> = T extends { readonly [refers]: infer Value }
  ? unknown extends Value
    ? unknown
    : [Extract<Value, readonly unknown[]>] extends [never]
      ? { readonly "a map goes over a list": never }
      : unknown
  : unknown;

/** How a proxy is asked what it stands for. */
const standsFor = Symbol("stands for");

/**
 * A ref to an argument, handed out at `place`: going into it gives refs to its parts. It can be spread where `members` says what it has; what
 * needs its value throws `reactor.invalid_argument` with the place.
 */
export function refTo<T>(argument: Argument, place: string, members?: ReadonlySet<string>): Ref<T> {
  const needsValue = (what: string) =>
    invalidArgument(place, `${sayArgument(argument)} ${what}, and it has a value only while a run goes on`);
  return new Proxy(
    // Callable, so that calling it, as in `list.map(…)`, is told with the place. But whatever has a `then` to call is awaited.
    "path" in argument && argument.path.at(-1) !== "then" ? () => {} : {},
    {
      apply() {
        throw needsValue("is called");
      },
      get(_target, key) {
        if (key === standsFor) return argument;
        if (key === Symbol.toPrimitive) throw needsValue("is written into a text or computed with");
        if (key === Symbol.iterator) throw needsValue("is gone through");
        if (typeof key === "symbol" || !("path" in argument)) return undefined;
        return refTo({ ...argument, path: [...argument.path, key] }, place);
      },
      has(_target, key) {
        if (key === standsFor) return true;
        throw needsValue(`is asked whether it has ${String(key)}`);
      },
      ownKeys() {
        if (members !== undefined) return [...members];
        throw needsValue("is spread or listed, what it has is not known");
      },
      getOwnPropertyDescriptor: describeMember((key) => members?.has(key) === true),
    },
  ) as Ref<T>;
}

/** Refs to members whose names are known, such as `results`: they can be spread and handed on whole. One that is not there is told by `missing`. */
export function refsTo<T>(members: ReadonlyMap<string, Argument>, place: string, missing: (name: string) => Error): T {
  return new Proxy(
    {},
    {
      get(_target, key) {
        if (typeof key === "symbol") return undefined;
        const argument = members.get(key);
        if (argument === undefined) throw missing(key);
        return refTo(argument, place);
      },
      has: (_target, key) => typeof key === "string" && members.has(key),
      ownKeys: () => [...members.keys()],
      getOwnPropertyDescriptor: describeMember((key) => members.has(key)),
    },
  ) as T;
}

/** What tells whoever lists a proxy that a member is one of its own; the value is got as any. */
const describeMember =
  (isMember: (key: string) => boolean) =>
  (_target: object, key: string | symbol): PropertyDescriptor | undefined =>
    typeof key === "string" && isMember(key) ? { enumerable: true, configurable: true } : undefined;

/** An argument as it is written: `results.pay.id`. */
function sayArgument(argument: Argument): string {
  switch (argument.from) {
    case "input":
      return ["input", ...argument.path].join(".");
    case "result":
      return ["results", argument.step.slice(argument.step.lastIndexOf("/") + 1), ...argument.path].join(".");
    case "element":
      return ["element", ...argument.path].join(".");
    default:
      return argument.from;
  }
}

/** What a template says, as data. Throws `reactor.invalid_argument` where something in it is neither a ref nor JSON. */
export function toArgument(template: unknown, path = "args", depth = 0): Argument {
  if (depth > 32) throw invalidArgument(path, "nested deeper than 32 levels");
  if (isRef(template)) return template[standsFor];
  if (typeof template === "object" && template !== null) {
    if (Array.isArray(template)) {
      // From holes too, which are no JSON.
      const items = Array.from(template, (item, index) => toArgument(item, `${path}[${index}]`, depth + 1));
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

const isRef = (template: unknown): template is { readonly [standsFor]: Argument } =>
  (typeof template === "object" || typeof template === "function") && template !== null && standsFor in template;

const isConstant = (argument: Argument): argument is Argument & { from: "value" } => argument.from === "value";

const invalidArgument = (path: string, reason: string): ViableError =>
  new ViableError("reactor.invalid_argument", `${path}: ${reason}.`, {
    next: "An argument is made of refs (input, results, element) and plain JSON; compute in a step.",
    details: { path, reason },
  });
