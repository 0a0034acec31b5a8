import { fromWire } from "@viable/kernel";
import type { JsonObject } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { pathInput, treeTimeoutMs } from "../../../source/task.ts";
import { listLabels } from "../package-store.ts";

const named = z.looseObject({ name: z.string(), version: z.string() });
/** What of the reader's answer is looked at here; the rest is passed on as it is. */
const reading = z.looseObject({ dependencies: z.array(named) }) as unknown as z.ZodType<
  JsonObject & { readonly dependencies: readonly (JsonObject & z.infer<typeof named>)[] }
>;

/** Inventories what a tree depends on, and which of it this registry holds itself. */
export const inventory = agent({
  name: "inventory",
  capability: "package_registry.inventory",
  description: "Packages that a tree depends on, with version and licence, and which of them this registry holds",
  input: pathInput,
  risk: "low",
  timeoutMs: treeTimeoutMs,
  async handle(ctx, { path }) {
    const outcome = await ctx.delegate("package_registry.tree", { path });
    // Without it there is nothing to say; whoever asked may have another to ask.
    if (!outcome.ok) throw fromWire(outcome.error);
    const { dependencies, ...rest } = reading.parse(outcome.result);
    const held = new Set<string>();
    for await (const { name, version } of listLabels(ctx.memory)) {
      ctx.signal.throwIfAborted();
      held.add(`${name}@${version}`);
    }
    const marked = dependencies.map((each) => ({ ...each, registered: held.has(`${each.name}@${each.version}`) }));
    return { ...rest, registered: marked.filter((each) => each.registered).length, dependencies: marked };
  },
});
