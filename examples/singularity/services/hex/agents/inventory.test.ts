/** The inventory as analyze asks for it: what the tree depends on, as the reading agent says, and what of it the registry holds. */
import { toWire } from "@viable/kernel";
import type { DelegateOutcome, JsonValue } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { inventory } from "./inventory.ts";
import { publisher } from "./publisher.ts";
import { treeReader } from "./tree-reader.ts";

/** Delegates to the reading agent, as the swarm would. */
const toReader =
  (bench: AgentBench) =>
  async (capability: string, args: JsonValue): Promise<DelegateOutcome> => {
    expect(capability).toBe(treeReader.capability);
    try {
      return { ok: true, executionId: "exe_child", result: await bench.run(treeReader, args) };
    } catch (error) {
      return { ok: false, status: "failed", executionId: "exe_child", error: toWire(error) };
    }
  };

const publish = (bench: AgentBench, name: string, version: string) =>
  bench.run(publisher, {
    name,
    version,
    kind: "agent",
    description: name,
    files: [{ path: "a.ts", content: name }],
  });

const lock = JSON.stringify({
  packages: {
    "node_modules/@house/greeter": { version: "1.0.0", license: "MIT" },
    "node_modules/zod": { version: "4.6.7", license: "MIT" },
  },
});

followsInput(inventory, "what the tree depends on, and what of it is held here", async (bench) => {
  await publish(bench, "@house/greeter", "1.0.0");
  await publish(bench, "zod", "4.6.6");
  await using tree = await plantTree({ "package.json": "{}", "package-lock.json": lock });
  const delegate = toReader(bench);
  const held = await bench.run(inventory, { path: tree.path }, { delegate });
  expect(held).toMatchObject({
    path: tree.path,
    count: 2,
    registered: 1,
    dependencies: [
      { name: "@house/greeter", version: "1.0.0", licence: "MIT", registered: true },
      { name: "zod", version: "4.6.7", licence: "MIT", registered: false },
    ],
    truncated: {},
  });
  await using other = await plantTree({ "package.json": `{"dependencies":{"knip":"6"}}` });
  const bare = await bench.run(inventory, { path: other.path }, { delegate });
  expect(bare).toMatchObject({
    registered: 0,
    dependencies: [{ name: "knip", version: "unknown", licence: "unknown", registered: false }],
  });
  return [held, bare];
});

test("what the registry of one tenant holds is not told to another", async () => {
  await using bench = await openBench();
  await publish(bench, "@house/greeter", "1.0.0");
  await using tree = await plantTree({ "package.json": "{}", "package-lock.json": lock });
  const options = { delegate: toReader(bench), tenant: "other" };
  expect(await bench.run(inventory, { path: tree.path }, options)).toMatchObject({ registered: 0 });
});

test("a folder that cannot be read, and a reader that is not there, are told as they were", async () => {
  await using bench = await openBench();
  const delegate = toReader(bench);
  await expect(bench.run(inventory, { path: "/there/is/none" }, { delegate })).rejects.toMatchObject({
    code: "source.not_found",
    next: expect.any(String),
  });
  const error = { code: "intake.unknown_command", message: "There is no such command.", retryable: false };
  const refused = async (): Promise<DelegateOutcome> => ({
    ok: false,
    status: "refused",
    executionId: undefined,
    error,
  });
  await expect(bench.run(inventory, { path: "." }, { delegate: refused })).rejects.toMatchObject({ code: error.code });
  expect(inventory.input.safeParse({}).success).toBe(false);
});
