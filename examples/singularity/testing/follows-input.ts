import type { JsonObject } from "@viable/kernel";
import type { AgentDefinition } from "viable";
import { expect, test } from "vitest";
import type { AgentBench } from "./run-agent.ts";
import { openBench } from "./run-agent.ts";

/**
 * The test that every agent has: two inputs, two right answers. `prove` runs the agent on both, holds each answer against
 * what is known to be right, and gives them back; an agent that answers the same to both does no work.
 */
export function followsInput(
  agent: AgentDefinition,
  title: string,
  prove: (bench: AgentBench) => Promise<readonly [JsonObject, JsonObject]>,
): void {
  test(`${agent.capability} follows its input: ${title}`, async () => {
    await using bench = await openBench();
    const [first, second] = await prove(bench);
    expect(second).not.toEqual(first);
  });
}
