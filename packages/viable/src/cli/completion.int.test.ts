// Each kind of word that a running system knows, asked of one over a real socket.
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, reactor, service } from "../index.ts";
import { commandLine } from "./testing/command-line.ts";

const counts = agent({
  name: "counter",
  capability: "count",
  description: "Counts.\u001b[2J",
  input: z.strictObject({ maxWords: z.number().int().optional(), how: z.enum(["slow", "quick"]).default("slow") }),
  handle: () => 1,
});
const done = reactor("done", { input: z.looseObject({}) }, (steps) =>
  steps.step("do", { run: () => 1 }).returns(() => 1),
);
const definition = defineSystem({
  name: "known",
  services: [service({ name: "desk", description: "Works.", port: 0, agents: [counts] })],
  reactors: [done],
  projections: [{ name: "totals", version: 1, filter: { types: ["sold"] }, project: () => ({}) }],
});

test("words are those that the system has", async () => {
  const { viable } = await commandLine(onTestFinished, definition);
  expect(await viable("exec", "count")).toMatchObject({ status: 0 });
  const started = await viable("reactors", "start", "done", "--wait");
  const runId = /run_\w+/.exec(started.err)?.[0] ?? "none";
  expect(await viable("memory", "set", "colour", "blue")).toMatchObject({ status: 0 });
  const minted = JSON.parse((await viable("capability", "mint", "--output", "json")).out) as { capabilityId: string };
  const [execution] = JSON.parse((await viable("executions", "list", "--output", "json")).out).executions;
  const complete = async (...words: string[]) => {
    const { status, out, err } = await viable("complete", "--", ...words);
    expect({ status, err }, words.join(" ")).toEqual({ status: 0, err: "" });
    expect(out).not.toContain("\u001b");
    const [kind, ...lines] = out.trimEnd().split("\n");
    expect(kind).toBe("words");
    return lines.map((line) => line.split("\t")[0]);
  };
  await expect.poll(() => complete("exec", "cou")).toEqual(["count"]);
  await expect.poll(() => complete("exec", "count", "--m")).toEqual(["--max-words"]);
  await expect.poll(() => complete("exec", "count", "--how", "")).toEqual(["slow", "quick"]);
  await expect.poll(() => complete("registry", "discover", "cou")).toEqual(["count"]);
  await expect.poll(() => complete("executions", "show", "")).toContain(execution.executionId);
  await expect.poll(() => complete("sessions", "show", "ses")).toContain(execution.sessionId);
  await expect.poll(() => complete("swarms", "show", "d")).toEqual(["desk"]);
  await expect.poll(() => complete("swarms", "restart", "desk", "qu")).toEqual(["queen"]);
  await expect.poll(() => complete("swarms", "drain", "desk", "--process", "")).toHaveLength(1);
  await expect.poll(() => complete("reactors", "start", "")).toEqual(["done"]);
  await expect.poll(() => complete("reactors", "show", "")).toEqual([runId]);
  await expect.poll(() => complete("capability", "revoke", "")).toEqual([minted.capabilityId]);
  await expect.poll(() => complete("projections", "rebuild", "to")).toEqual(["totals"]);
  await expect.poll(() => complete("memory", "get", "co")).toEqual(["colour"]);
  for (const verb of [
    ["ask"],
    ["approvals", "decide"],
    ["webhooks", "replay"],
    ["user", "invite"],
    ["credentials", "remove"],
  ])
    await expect.poll(() => complete(...verb, "")).toEqual([]);
});
