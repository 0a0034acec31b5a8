import { z } from "zod";
import { checkRunTimeout, checkWhole, defaultConcurrency } from "./check-settings.ts";
import type { ReactorDefinition } from "./definition.ts";
import { hashOf } from "./definition-hash.ts";
import { maxOf, namePattern, nameRule } from "./definition-rules.ts";
import { invalidDefinition } from "./errors.ts";
import { membersOf, planOf } from "./plan.ts";
import type { Ref } from "./ref.ts";
import type { Scope } from "./step-settings.ts";
import { Steps, sayScope } from "./steps.ts";

/**
 * Defines a reactor: a saga as a graph of steps. What a step takes from others says when it can run: as soon as they are done, beside
 * whatever else can. Checked here and now: throws `reactor.invalid_definition` with the step and the reason.
 *
 * `version` is raised where a change of what functions do shall not reach runs that are under way; a changed graph is another
 * definition in any case.
 */
export function reactor<Input extends z.ZodType, Output>(
  name: string,
  settings: {
    readonly input: Input;
    readonly description?: string;
    readonly version?: number;
    /** Whether a run that succeeded may be undone later. Default false. */
    readonly reversible?: boolean;
    /** How many steps run at the same time. Default 100, at most 10,000. */
    readonly maxConcurrency?: number;
    /** How long a run may take, in milliseconds, until it is ended and undone; at most ten years. Default: as long as it takes. */
    readonly timeoutMs?: number;
  },
  steps: (steps: Steps<{ readonly input: Ref<z.output<Input>> }, unknown>) => Scope<Output>,
): ReactorDefinition<z.input<Input>, Output> {
  if (!namePattern.test(name)) throw invalidDefinition(name, "name", nameRule);
  if (!(settings?.input instanceof z.core.$ZodType)) throw invalidDefinition(name, "input", "must be a Zod schema");
  const first = new Steps<{ readonly input: Ref<z.output<Input>> }, unknown>(name, "", {
    given: { input: { argument: { from: "input", path: [] }, members: membersOf(settings.input) } },
    visible: new Map(),
    ...{ nodes: [], functions: [], children: [] },
  });
  const { definition: graph, functions, children } = sayScope(name, "graph", steps, first);
  const said = {
    kind: "reactor" as const,
    name,
    description: settings.description ?? "",
    version: checkWhole(name, "version", settings.version ?? 1, Number.MAX_SAFE_INTEGER),
    input: settings.input as z.ZodType<unknown, z.input<Input>>,
    graph,
    reversible: settings.reversible ?? false,
    maxConcurrency: checkWhole(
      name,
      "maxConcurrency",
      settings.maxConcurrency ?? defaultConcurrency,
      maxOf.concurrency,
    ),
    timeoutMs: checkRunTimeout(name, settings.timeoutMs),
    functions: new Map(functions),
    children: new Map(children.map((child) => [child.name, child])),
  };
  const definition = { ...said, hash: hashOf(said) };
  // Says what is wrong with it now, where it is written, and not when it is first run.
  planOf(definition);
  return deepFreeze(definition);
}

/** Of plain data: maps and schemas are left as they are. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || value instanceof Map || value instanceof z.ZodType) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
