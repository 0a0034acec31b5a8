/**
 * The sequence diagram in ARCHITECTURE.md is drawn from a real run: one command whose agent delegates a second, traced at
 * the gateway's door, at the store's commits and in the agents. Where the walk has changed, this fails and says how to redraw it:
 * `UPDATE_DIAGRAM=1 npm test -- test/walk/diagram.test.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import { agent, defineSystem, service } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const file = new URL("../../ARCHITECTURE.md", import.meta.url);
const [begin, end] = ["<!-- walk:begin -->", "<!-- walk:end -->"];

test("the walk in ARCHITECTURE.md is the one that a command goes", async () => {
  const drawn = draw(await traceOneCommand());
  const page = readFileSync(file, "utf8");
  const [head, rest = ""] = page.split(begin);
  const [shown = "", tail] = rest.split(end);
  if (process.env.UPDATE_DIAGRAM === "1") writeFileSync(file, `${head}${begin}\n${drawn}\n${end}${tail}`);
  else expect(shown.trim(), "Redraw it with UPDATE_DIAGRAM=1.").toBe(drawn);
});

type Step =
  | { readonly at: "request" | "answer"; readonly what: string }
  | { readonly at: "flush"; readonly events: readonly { readonly type: string; readonly what: string }[] }
  | { readonly at: "begun" | "ended"; readonly agent: string };

async function traceOneCommand(): Promise<Step[]> {
  const steps: Step[] = [];
  const traced =
    <T>(name: string, act: () => Promise<T>) =>
    async (): Promise<T> => {
      steps.push({ at: "begun", agent: name });
      const result = await act();
      steps.push({ at: "ended", agent: name });
      return result;
    };
  const one = service({
    name: "one",
    description: "Delegates.",
    port: 0,
    agents: [
      agent({
        name: "asker",
        capability: "ask",
        description: "Has another do it.",
        input: z.strictObject({}),
        handle: (ctx) => traced("asker", async () => (await ctx.delegate("answer", {})) as never)(),
      }),
    ],
  });
  const two = service({
    name: "two",
    description: "Does it.",
    port: 0,
    agents: [
      agent({
        name: "answerer",
        capability: "answer",
        description: "Does it.",
        input: z.strictObject({}),
        handle: () => traced("answerer", async () => 42)(),
      }),
    ],
  });
  await using t = await startTestSystem(defineSystem({ name: "walk", services: [one, two] }), {
    store: traceStore(steps),
  });
  const client = await t.connect("cli");
  steps.length = 0;
  steps.push({ at: "request", what: "POST commands {ask}" });
  const answer = await client.run("ask");
  steps.push({ at: "answer", what: `200 ${answer.status}` });
  return steps;
}

/** A memory store that notes which events of executions each flush carries, and what decided them. */
function traceStore(steps: Step[]): Store {
  const inner = createMemoryStore();
  return {
    ...inner,
    async commit(batch, now) {
      const events = batch
        .flatMap((append) => append.streams.flatMap((write) => write.events))
        .filter((event) => event.type.startsWith("execution."))
        .map((event) => {
          const data = JSON.parse(event.data) as {
            command?: string;
            agent?: string;
            claim?: object;
            assigned?: object;
            route?: object;
          };
          const parts = [data.command, data.route && "route", (data.claim ?? data.assigned) && "claim"].filter(Boolean);
          return { type: event.type, what: parts.length === 0 ? "" : ` (${parts.join(", ")})` };
        });
      if (events.length > 0) steps.push({ at: "flush", events });
      return await inner.commit(batch, now);
    },
  };
}

function draw(steps: readonly Step[]): string {
  const lines = [
    "sequenceDiagram",
    "  actor client",
    "  participant gateway",
    "  participant intake",
    "  participant log",
    "  participant one as worker of one",
    "  participant two as worker of two",
  ];
  const swarmOf: Record<string, string> = { asker: "one", answerer: "two" };
  let asking = "gateway";
  const running: string[] = [];
  for (const step of steps) {
    switch (step.at) {
      case "request":
        lines.push(`  client->>gateway: ${step.what}`);
        break;
      case "answer":
        lines.push("  log-->>gateway: outcome, to who waits", `  gateway-->>client: ${step.what}`);
        break;
      case "begun":
        lines.push(
          `  log-->>${swarmOf[step.agent]}: accepted and claimed here`,
          `  activate ${swarmOf[step.agent]}`,
          `  Note over ${swarmOf[step.agent]}: agent ${step.agent}`,
        );
        running.push(step.agent);
        asking = swarmOf[step.agent] as string;
        break;
      case "ended":
        running.pop();
        lines.push(`  deactivate ${swarmOf[step.agent]}`);
        asking = swarmOf[step.agent] as string;
        break;
      case "flush":
        for (const { type, what } of step.events) {
          if (type === "execution.accepted") {
            lines.push(
              `  ${asking}->>intake: ${asking === "gateway" ? "submit" : "delegate, narrowed authority"}`,
              "  Note over intake: authorise, admit, route",
              `  intake->>log: ${type}${what}`,
            );
          } else {
            lines.push(`  ${asking}->>log: ${type}`);
            const waiting = running.at(-1);
            if (waiting !== undefined) {
              lines.push(`  log-->>${swarmOf[waiting]}: outcome of what it delegated`);
              asking = swarmOf[waiting] as string;
            }
          }
        }
    }
  }
  return ["```mermaid", ...lines, "```"].join("\n");
}
