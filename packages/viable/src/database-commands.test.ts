// The commands about the database: where backups may be written and where not, one at a time, and none twice for one execution.
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime } from "@viable/kernel";
import type { Explanation, Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import type { AgentContext, AgentDefinition } from "@viable/swarm";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { checkBackup } from "./backup-file.ts";
import { databaseCommands } from "./database-commands.ts";
import { defineSystem } from "./index.ts";

/** The commands over a store, run as their worker would, and a folder that goes with the test. */
function bench(store: Store = createMemoryStore()) {
  const folder = mkdtempSync(join(tmpdir(), "viable-commands-"));
  const backups = join(folder, "state", "backups");
  const [backup, explain] = databaseCommands({ store, system: "s", backups }) as [AgentDefinition, AgentDefinition];
  const run = async (agent: AgentDefinition, args: object, context: Partial<AgentContext> = {}) =>
    await agent.handle(
      {
        executionId: "exe_1",
        attempt: 1,
        signal: new AbortController().signal,
        runtime: createRuntime(),
        progress: () => {},
        ...context,
      } as AgentContext,
      agent.input.parse(args) as never,
    );
  return {
    store,
    folder,
    backups,
    backup: (args: object, context?: Partial<AgentContext>) => run(backup, args, context),
    explain: (args: object) => run(explain, args),
    agents: [backup, explain],
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

test("both are of high risk", () => {
  using b = bench();
  expect(b.agents.map(({ capability, risk }) => [capability, risk])).toEqual([
    ["database.backup", "high"],
    ["database.explain", "high"],
  ]);
});

test("a backup lies among the backups, under its name, and is what the answer says", async () => {
  using b = bench();
  await b.store.commit([{ streams: [], records: [{ key: "k", expected: 0, value: "1", expiresAt: null }] }], 1);
  const answer = await b.backup({ name: "monday" });
  const file = join(b.backups, "monday.jsonl");
  const { sha256, bytes, at } = await checkBackup(file);
  expect(answer).toEqual({ file, system: "s", at, position: "0", events: 0, records: 1, bytes, sha256 });
  expect(await b.backup({ name: "tuesday.jsonl" })).toMatchObject({ file: join(b.backups, "tuesday.jsonl") });
  expect(await readdir(b.backups)).toEqual(["monday.jsonl", "tuesday.jsonl"]);
});

test.each(["../x", "a/b", "/etc/x", "..", ".hidden", "", "a\\b", "a\u0000b", "x".repeat(101), "C:x"])(
  "a name that leads elsewhere, or nowhere, is refused: %j",
  async (name) => {
    using b = bench();
    await expect(b.backup({ name })).rejects.toThrow();
    expect(await readdir(b.folder)).toEqual([]);
  },
);

test("a backup of that name is not overwritten, and one at a time is written", async () => {
  using b = bench();
  const first = b.backup({ name: "a" });
  await expect(b.backup({ name: "b" })).rejects.toMatchObject({ code: "backup.running", retryable: true });
  await first;
  const before = await readFile(join(b.backups, "a.jsonl"), "utf8");
  await expect(b.backup({ name: "a" }, { executionId: "exe_2" })).rejects.toMatchObject({ code: "backup.exists" });
  expect(await readFile(join(b.backups, "a.jsonl"), "utf8")).toBe(before);
  await b.backup({ name: "b" }, { executionId: "exe_3" });
});

test("an execution that is begun again after its file was finished answers with that file", async () => {
  using b = bench();
  const first = await b.backup({ name: "a" });
  await b.store.commit([{ streams: [], records: [{ key: "k", expected: 0, value: "1", expiresAt: null }] }], 1);
  expect(await b.backup({ name: "a" }, { attempt: 2 })).toEqual(first);
  await expect(b.backup({ name: "a" }, { attempt: 2, executionId: "exe_2" })).rejects.toMatchObject({
    code: "backup.exists",
  });
});

test("what the database explains is the answer; one query at a time, and only where there is a database", async () => {
  const explained: Explanation = {
    origin: "estimated",
    query: "SELECT 1",
    parameters: [],
    plan: { Plan: { "Node Type": "Result" } },
    relations: [],
  };
  const asked: unknown[] = [];
  const store: Store = {
    ...createMemoryStore(),
    explain: async (request) => {
      asked.push(request);
      return explained;
    },
  };
  using b = bench(store);
  expect(await b.explain({ sql: "SELECT 1" })).toEqual(explained);
  expect(await b.explain({ statement: "viable_head" })).toEqual(explained);
  expect(asked).toEqual([{ sql: "SELECT 1" }, { statement: "viable_head" }]);
  await expect(b.explain({})).rejects.toThrow("either a statement or sql");
  await expect(b.explain({ statement: "a", sql: "b" })).rejects.toThrow("either a statement or sql");
  using memory = bench();
  await expect(memory.explain({ sql: "SELECT 1" })).rejects.toMatchObject({ code: "database.none" });
});

test("every system has them; one that keeps nothing on a disk has no folder for backups", async () => {
  await using t = await startTestSystem(defineSystem({ name: "s", services: [] }));
  const client = await t.connect();
  const outcomeOf = async (command: string, args: object) =>
    await client.outcome(await client.begin(command, args as never));
  expect(await outcomeOf("database.backup", { name: "a" })).toMatchObject({
    status: "failed",
    error: { code: "backup.no_folder" },
  });
  expect(await outcomeOf("database.explain", { statement: "viable_head" })).toMatchObject({
    status: "failed",
    error: { code: "database.none" },
  });
});
