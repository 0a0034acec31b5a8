import type { ReactorDefinition, StepFunction } from "../definition.ts";
import { nodesOf } from "../definition.ts";
import type { StepContext } from "../step-context.ts";

/** What a function of a definition is there for. */
export type FunctionRole = "run" | "guard" | "compensate" | "undo" | "findOutcome";

/** A call of one of a reactor's functions that may act on what is outside. Those that only decide are not told of. */
export interface FunctionCall {
  readonly role: FunctionRole;
  readonly ctx: StepContext;
  readonly args: readonly unknown[];
}

export const functionRoles: readonly FunctionRole[] = ["run", "guard", "compensate", "undo", "findOutcome"];

/**
 * The same definition, children included, with each call of its functions going through `around`. It has the same hash: runs of one are
 * runs of the other.
 */
export function wrapFunctions<Input, Output>(
  definition: ReactorDefinition<Input, Output>,
  around: (call: FunctionCall, run: () => unknown) => unknown,
): ReactorDefinition<Input, Output> {
  return wrap(definition as ReactorDefinition, around, new Map()) as ReactorDefinition<Input, Output>;
}

/** Each is wrapped once, however often it is composed: as it is one before, it is one after. */
function wrap(
  definition: ReactorDefinition,
  around: (call: FunctionCall, run: () => unknown) => unknown,
  wrapped: Map<ReactorDefinition, ReactorDefinition>,
): ReactorDefinition {
  const known = wrapped.get(definition);
  if (known !== undefined) return known;
  const roleOf = new Map<string, FunctionRole>();
  for (const { node } of nodesOf(definition.graph)) {
    for (const role of functionRoles) {
      const name = (node as unknown as Record<string, unknown>)[role];
      if (typeof name === "string") roleOf.set(name, role);
    }
  }
  const functions = new Map<string, StepFunction>();
  for (const [name, run] of definition.functions) {
    const role = roleOf.get(name);
    functions.set(
      name,
      role === undefined
        ? run
        : (...args: unknown[]) => {
            const ctx = (role === "guard" ? args[1] : args[0]) as StepContext;
            return around({ role, ctx, args: args.filter((each) => each !== ctx) }, () => run(...args));
          },
    );
  }
  const children = [...definition.children].map(([name, child]) => [name, wrap(child, around, wrapped)] as const);
  // A plan belongs to a graph and knows its functions, so these have one of their own.
  const graph = structuredClone(definition.graph);
  const result = Object.freeze({ ...definition, graph, functions, children: new Map(children) });
  wrapped.set(definition, result);
  return result;
}
