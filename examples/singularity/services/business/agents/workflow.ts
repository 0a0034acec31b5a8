import type { AgentContext, JsonObject } from "viable";
import { agent, ViableError } from "viable";
import { z } from "zod";
import { advance, listEvents } from "../advance-workflow.ts";
import { type Facts, factsInput } from "../condition.ts";
import { type Workflow, workflowInput } from "../workflow-definition.ts";
import { findInstance, type Instance, moveInstance, startInstance } from "../workflow-instances.ts";

const id = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]*$/, "starts with a letter or digit and has only those and . _ : -")
  .max(120)
  .describe("The instance");
const event = z.string().min(1).max(100);
const facts = factsInput.default({}).describe("What guards ask for, as a JSON object");

/** Runs declared workflows: alone by state and event, or as instances that are kept. */
export const workflow = agent({
  name: "workflow",
  capability: "workflow_execution",
  description: "Moves a declared workflow on by an event where its guards hold; keeps instances by id",
  input: z.discriminatedUnion("operation", [
    z.strictObject({
      operation: z.literal("try"),
      workflow: workflowInput,
      state: z.string().max(100).optional().describe("Default the initial one"),
      event,
      facts,
    }),
    z.strictObject({ operation: z.literal("start"), id, workflow: workflowInput, facts }),
    z.strictObject({
      operation: z.literal("send"),
      id,
      event,
      facts,
      expected: z.number().int().min(1).optional().describe("Move only if the instance is at this version"),
    }),
    z.strictObject({ operation: z.literal("show"), id, facts }),
  ]),
  async handle(ctx, input) {
    switch (input.operation) {
      case "try":
        return tryEvent(input.workflow, input.state ?? input.workflow.initial, input.event, input.facts);
      case "start":
        return describe(await startInstance(ctx, input.id, input.workflow), input.facts);
      case "show":
        return describe((await findInstance(ctx, input.id)).instance, input.facts);
      case "send":
        return await send(ctx, input);
    }
  },
});

function tryEvent(definition: Workflow, state: string, name: string, known: Facts): JsonObject {
  if (!definition.states.includes(state)) {
    throw new ViableError("workflow.unknown_state", `"${state}" is none of the workflow's states.`, {
      next: `There are ${definition.states.slice(0, 20).join(", ")}.`,
    });
  }
  const step = advance(definition, state, name, known);
  if (!step.moves) return refusal(definition, state, step.reason, step.because, known);
  return { moved: true, from: state, ...whereabouts(definition, step.to, known), because: step.because };
}

type Send = {
  readonly id: string;
  readonly event: string;
  readonly facts: Facts;
  readonly expected?: number | undefined;
};

async function send(ctx: AgentContext, { id: of, event: name, facts: known, expected }: Send): Promise<JsonObject> {
  const found = await findInstance(ctx, of);
  const { instance } = found;
  const mine = instance.history.find((move) => move.by === ctx.executionId);
  if (mine !== undefined) return { moved: true, from: mine.from, ...describe(instance, known) };
  const refuse = (at: Instance, reason: string, because: string[] = []): JsonObject => ({
    id: of,
    version: at.version,
    ...refusal(at.workflow, at.state, reason, because, known),
  });
  if (expected !== undefined && expected !== instance.version) {
    return refuse(instance, `It is at version ${instance.version}, not ${expected}.`);
  }
  const step = advance(instance.workflow, instance.state, name, known);
  if (!step.moves) return refuse(instance, step.reason, step.because);
  const moved = await moveInstance(ctx, found, name, step.to);
  if (moved !== undefined)
    return { moved: true, from: instance.state, ...describe(moved, known), because: step.because };
  // Not sent again by itself: it was meant for the state that is no more.
  const { instance: now } = await findInstance(ctx, of);
  return refuse(now, "Another event came first.");
}

const describe = (
  { id: of, version, state, workflow: definition, startedAt, history }: Instance,
  known: Facts,
): JsonObject => ({
  id: of,
  version,
  ...whereabouts(definition, state, known),
  startedAt,
  history: history.map(({ event: name, from, to, at }) => ({ event: name, from, to, at })),
});

const refusal = (definition: Workflow, state: string, reason: string, because: string[], known: Facts): JsonObject => ({
  moved: false,
  reason,
  because,
  ...whereabouts(definition, state, known),
});

/** A state, whether it is an end, and what can happen in it. */
function whereabouts(definition: Workflow, state: string, known: Facts): JsonObject {
  const isEnd = !definition.transitions.some((each) => each.from === state);
  return { state, isEnd, ...listEvents(definition, state, known) };
}
