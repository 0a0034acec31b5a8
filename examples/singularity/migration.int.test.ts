/**
 * The migration path as it runs (S11): real swarms, real threads, the gateway's routes. A service's tasks move over from the legacy
 * coordinator by percentage and back, and what both answer to the same tree is compared while they do.
 */
import { createRuntime, rootContext } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { JsonObject, JsonValue, ServiceDefinition } from "viable";
import { agent, defineSystem, service } from "viable";
import { createSystem } from "viable/run";
import { expect, test } from "vitest";
import { storage } from "./services/storage/index.ts";
import { swarm } from "./services/swarm/index.ts";
import { tools } from "./services/tools/index.ts";
import { pathInput } from "./source/task.ts";
import { plantTree } from "./testing/plant-tree.ts";

/** What `migration.status` tells of one service. */
interface Moving {
  readonly percent: number;
  readonly routed: { readonly service: number; readonly legacy: number };
  readonly skipped: { readonly busy: number; readonly risk: number; readonly refused: number };
  readonly capabilities: readonly {
    readonly capability: string;
    readonly compared: number;
    readonly lastDifference?: { readonly executionId: string };
  }[];
}

async function startSystem(services: readonly ServiceDefinition[]) {
  const ctx = rootContext(createRuntime());
  const definition = defineSystem({ name: "moving", services });
  const system = createSystem(definition, { store: createMemoryStore() }, { servicePorts: "none" });
  await system.start(ctx);
  const post = async (route: string, body: object): Promise<JsonObject> => {
    const headers = { authorization: `Bearer ${system.ownerToken}` };
    const request = new Request(`http://test.invalid${route}`, { method: "POST", headers, body: JSON.stringify(body) });
    return (await (await system.fetch(request)).json()) as JsonObject;
  };
  const { sessionId } = await post("/v1/sessions", { clientType: "cli" });
  const run = async (command: string, args: Record<string, JsonValue> = {}): Promise<unknown> => {
    const answer = await post(`/v1/sessions/${sessionId}/commands`, { command, args, mode: "sync" });
    expect(answer).toMatchObject({ status: "completed" });
    return answer.result;
  };
  const moving = async (name: string): Promise<Moving | undefined> => {
    const { migrations } = (await run("migration.status")) as { migrations: (Moving & { service: string })[] };
    return migrations.find((each) => each.service === name);
  };
  const comparedOf = async (name: string, capability: string) =>
    (await moving(name))?.capabilities.find((each) => each.capability === capability);
  return {
    run,
    moving,
    comparedOf,
    /** Runs a command, and waits until its answer has been compared. */
    async runCompared(name: string, capability: string, args: Record<string, JsonValue>): Promise<void> {
      const before = (await comparedOf(name, capability))?.compared ?? 0;
      await run(capability, args);
      await expect
        .poll(async () => (await comparedOf(name, capability))?.compared, { timeout: 60_000 })
        .toBe(before + 1);
    },
    [Symbol.asyncDispose]: () => system.stop(ctx),
  };
}

/** Source of many kinds, and what is none. */
async function plantOddTree() {
  const tree = await plantTree({
    "package.json": `{ "name": "house" }`,
    "src/a.ts": "export const a = 1;\r\nexport const b = 2;\r\n",
    "src/b.ts": "no line break at its end",
    "src/same.ts": "no line break at its end",
    "src/empty.ts": "",
    "README.md": "# House\n\nIt stands.\n",
    "dist/a.js": "made by a build\n",
    "notes.txt": "no language\n",
    "named-like-source.ts": "a\0b",
  });
  await tree.write("latin.py", new Uint8Array([0x23, 0xe4, 0x0a, 0xf6]));
  await tree.write("wide.cs", Buffer.from("\uFEFFone\r\ntwo\r\nĊ", "utf16le"));
  await tree.write("marked.go", "\uFEFFpackage main\n");
  await tree.link("loop.ts", "loop.ts");
  return tree;
}

test("code_analysis.sizes moves from the legacy coordinator to Tools and back; both answer the same, which is tallied", {
  timeout: 240_000,
}, async () => {
  await using tree = await plantOddTree();
  await using system = await startSystem([tools, storage, swarm]);
  const sizes = "code_analysis.sizes";
  let compared = 0;
  for (const percent of [0, 50, 100, 50, 0]) {
    await system.run("migration.set", { service: "tools", percent, compare: true });
    for (let task = 0; task < 4; task++) await system.runCompared("tools", sizes, { path: tree.path });
    compared += 4;
    const moving = await system.moving("tools");
    expect(moving).toMatchObject({ percent, skipped: { busy: 0, risk: 0, refused: 0 } });
    const { routed } = moving as Moving;
    expect(routed.service + routed.legacy).toBe(4);
    if (percent === 0) expect(routed.service).toBe(0);
    if (percent === 100) expect(routed.legacy).toBe(0);
    expect(moving?.capabilities).toMatchObject([
      { capability: sizes, legacy: ["swarm"], compared, equal: compared, different: 0, unanswered: 0 },
    ]);
  }

  await system.run("migration.set", { service: "storage", percent: 100, compare: true });
  await system.runCompared("storage", "file_management", { path: tree.path });
  expect(await system.comparedOf("storage", "file_management")).toMatchObject({ equal: 1, different: 0 });

  expect(await system.run("migration.end", { service: "tools" })).toEqual({ service: "tools", ended: true });
  expect(await system.moving("tools")).toBeUndefined();
});

test("a legacy agent that answers otherwise is found out, with the places where it does", {
  timeout: 120_000,
}, async () => {
  const forgetful = agent({
    name: "forgetful-sizes",
    capability: "code_analysis.sizes",
    description: "Counts the tree's lines, but for one.",
    input: pathInput,
    risk: "low",
    joinable: true,
    handle: async (ctx, input) => {
      const outcome = await ctx.delegate("code_analysis.sizes", input, { service: "tools" });
      if (!outcome.ok) throw new Error(outcome.error.message);
      const { lines, ...rest } = outcome.result as { lines: number };
      return { lines: lines - 1, ...rest };
    },
  });
  await using tree = await plantTree({ "a.ts": "one\ntwo\n" });
  const old = service({ name: "old", description: "Counts otherwise.", port: 0, agents: [forgetful], legacy: true });
  await using system = await startSystem([tools, old]);
  await system.run("migration.set", { service: "tools", percent: 100, compare: true });
  await system.runCompared("tools", "code_analysis.sizes", { path: tree.path });
  const tally = await system.comparedOf("tools", "code_analysis.sizes");
  expect(tally).toMatchObject({ equal: 0, different: 1, lastDifference: { paths: ["result.lines"], more: 0 } });
  const { executionId = "" } = tally?.lastDifference ?? {};
  expect(await system.run("migration.compare", { executionId })).toMatchObject({
    status: "different",
    differences: [{ path: "result.lines", service: "2", legacy: "1" }],
  });
});
