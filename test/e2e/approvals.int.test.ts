// A command that a policy asks a person for, on the command line: by the real command against one real system on the embedded database, which is
// killed while the command waits, and again as soon as it is approved.
import { existsSync, readFileSync } from "node:fs";
import type { ApprovalList, EventPage, ExecutionPage, ExecutionView } from "@viable/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, Place, type Running } from "./cli.ts";

const config = `
import { appendFileSync } from "node:fs";
import { agent, defineSystem, service } from "viable";
import { z } from "zod";

const drop = agent({
  name: "drop",
  capability: "store.drop",
  description: "Drops a table.",
  risk: "high",
  maxAttempts: 1,
  input: z.strictObject({ table: z.string() }),
  handle: (_ctx, { table }) => {
    appendFileSync("dropped.txt", table + "\\n");
    return { dropped: table };
  },
});
const tidy = agent({
  name: "tidy",
  capability: "tidy",
  description: "Has a table dropped.",
  timeoutMs: 3_600_000,
  input: z.strictObject({ table: z.string() }),
  handle: async (ctx, args) => {
    const outcome = await ctx.delegate("store.drop", args);
    return outcome.ok ? outcome.result : outcome.error.code;
  },
});

export default defineSystem({
  name: "shop",
  services: [service({ name: "store", description: "Keeps tables.", port: 0, agents: [drop, tidy] })],
  policies: { "command/store.*": { mode: "ask" } },
});
`;

const place = new Place(config);
let system: Running;
/** Of a program: what it asks for, the owner decides on. */
let program: string;

beforeAll(async () => {
  system = await place.start();
  const minted = await place.json<{ token: string }>("capability", "mint", "--expires-in", "1d", "--label", "program");
  program = minted.token;
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

const dropped = () => (existsSync(place.path("dropped.txt")) ? readFileSync(place.path("dropped.txt"), "utf8") : "");
const listed = async () => (await place.json<ApprovalList>("approvals", "list")).approvals;
const show = (id: string) => place.json<ExecutionView>("executions", "show", id);
/** `viable WORDS…` by the program's token. */
function asProgram(...words: string[]): Running {
  place.environment.VIABLE_TOKEN = program;
  try {
    return place.begin(...words);
  } finally {
    delete place.environment.VIABLE_TOKEN;
  }
}
const ask = (table: string, ...words: string[]) => asProgram("exec", "store.drop", "--table", table, ...words);

test("waits over a killed system, is decided by another, and is done once though the system is killed again", async () => {
  const asked = await ask("first", "--async", "--output", "json").finished;
  expect(asked.status).toBe(5);
  const { executionId, approvalId } = JSON.parse(asked.out) as { executionId: string; approvalId: string };
  expect(asked.err).toContain(`viable approvals decide ${approvalId} yes|no`);
  system.signal("SIGKILL");
  await system.finished;

  system = await place.start();
  expect(await listed()).toMatchObject([{ approvalId, details: { command: "store.drop", args: { table: "first" } } }]);
  const table = await place.run("approvals", "list");
  expect(table.out).toMatch(new RegExp(`^${approvalId} .*store\\.drop.*${executionId} by store.*"table":"first"`, "m"));
  expect(await show(executionId)).toMatchObject({ status: "waiting", waitingFor: { for: "approval", approvalId } });

  const own = await asProgram("approvals", "decide", approvalId, "yes").finished;
  expect(own).toMatchObject({ status: 1, out: "" });
  expect(own.err).toContain("approval.four_eyes");
  expect(dropped()).toBe("");

  const decided = await place.run("approvals", "decide", approvalId, "yes", "--reason", "looked at it");
  expect(decided.status).toBe(0);
  system.signal("SIGKILL");
  await system.finished;
  system = await place.start();
  await eventually(
    async () => (await show(executionId)).status === "completed",
    () => `${executionId} did not go on.`,
  );
  expect(dropped()).toBe("first\n");
  expect(await show(executionId)).toMatchObject({ approval: { decision: "approved", reason: "looked at it" } });
  expect(await listed()).toEqual([]);
});

test("is waited for on the command line, which says who decides and goes on with what was said", async () => {
  const waiting = ask("second");
  await waiting.saw("Decide: viable approvals decide apr_");
  const [asked] = await listed();
  await place.run("approvals", "decide", asked?.approvalId ?? "", "no", "--reason", "still needed");
  const done = await waiting.finished;
  expect(done).toMatchObject({ status: 1, out: "" });
  expect(done.err).toContain("still needed");
  expect(done.err).toContain("approval.rejected");
  expect(dropped()).not.toContain("second");
});

test("says so where what an agent has delegated waits, and its result is the agent's to answer", async () => {
  const waiting = asProgram("exec", "tidy", "--table", "third");
  await waiting.saw("a person decides: viable approvals decide apr_");
  const [asked] = await listed();
  expect(asked).toMatchObject({ principal: "agent:store/tidy" });
  await place.run("approvals", "decide", asked?.approvalId ?? "", "yes");
  expect(await waiting.finished).toMatchObject({ status: 0, out: expect.stringContaining('"dropped": "third"') });
});

test("what had a high risk is listed by itself, with the token it came by", async () => {
  const { executions } = await place.json<ExecutionPage>("executions", "list", "--risk", "high", "--limit", "2");
  expect(executions.map(({ command }) => command)).toEqual(["store.drop", "store.drop"]);
  const { events } = await place.json<EventPage>("events", "--type", "execution.accepted");
  const accepted = events.find(({ data }) => JSON.stringify(data.args) === '{"table":"first"}');
  expect(accepted?.data).toMatchObject({
    audit: { risk: "high", address: "command/store.drop", policies: ["command/store.*"] },
    authority: { capabilities: [expect.stringMatching(/^cap_/), expect.stringMatching(/^cap_/)] },
  });
});
