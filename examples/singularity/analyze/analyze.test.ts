/**
 * The main job over the four services, delegated as the swarm would: by capability, to whoever offers it, as values. What is
 * proved: all sections of a whole system; each service taken away takes its sections and nothing else; another input, another
 * report; bad input. That it survives crashes is proved where the walk is.
 */
import { join } from "node:path";
import { toWire } from "@viable/kernel";
import type { DelegateOutcome, JsonValue, ServiceDefinition } from "viable";
import { agent } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { architecture } from "../services/architecture/index.ts";
import { security } from "../services/security/index.ts";
import { storage } from "../services/storage/index.ts";
import { tools } from "../services/tools/index.ts";
import { plantTree } from "../testing/plant-tree.ts";
import { type AgentBench, openBench } from "../testing/run-agent.ts";
import type { Analysis } from "./analysis.ts";
import { analyze } from "./analyze.ts";
import { renderReport } from "./report.ts";

const four = [architecture, tools, security, storage];

/** Delegates to the agents of these services, in this thread. */
function delegateTo(bench: AgentBench, agents: ServiceDefinition["agents"], asked: string[] = []) {
  return async (capability: string, args: JsonValue): Promise<DelegateOutcome> => {
    asked.push(capability);
    const found = agents.find((each) => each.capability === capability);
    const executionId = `exe_${asked.length}`;
    if (found === undefined) {
      const error = { code: "route.unknown", message: `No swarm offers ${capability}.`, retryable: false };
      return { ok: false, status: "refused", executionId: undefined, error };
    }
    try {
      return { ok: true, executionId, result: await bench.run(found, args) };
    } catch (error) {
      return { ok: false, status: "failed", executionId, error: toWire(error) };
    }
  };
}

const agentsOf = (services: readonly ServiceDefinition[]) => services.flatMap((service) => service.agents);

async function analyzeTree(
  bench: AgentBench,
  args: { path: string; sections?: JsonValue },
  agents = agentsOf(four),
): Promise<Analysis> {
  return (await bench.run(analyze, args, { delegate: delegateTo(bench, agents) })) as unknown as Analysis;
}

const house = {
  "package.json": `{ "name": "house", "main": "src/a.ts", "dependencies": { "zod": "^4" } }`,
  "src/a.ts": `import { b } from "./b";\nexport const a = b ? 1 : 2;\n`,
  "src/b.ts": `import { a } from "./a";\nexport const b = () => a;\nexport const dead = 1;\n`,
};

test("a whole report, twice: the second names what changed", async () => {
  await using bench = await openBench();
  await using tree = await plantTree(house);
  const first = await analyzeTree(bench, { path: tree.path });
  expect(first).toMatchObject({
    modules: 2,
    edges: 2,
    cycles: [["src/a.ts", "src/b.ts"]],
    runtimeCycles: 1,
    files: [
      { path: "src/a.ts", lines: 2, complexity: 2 },
      { path: "src/b.ts", lines: 3, complexity: 2 },
    ],
    duplicates: [],
    secrets: [],
    risks: [],
    deadExports: [{ file: "src/b.ts", line: 3, name: "dead" }],
    dependencies: [{ name: "zod", version: "unknown", licence: "unknown" }],
    kept: { version: 1 },
    findings: [],
  });
  expect(first.since).toBeUndefined();
  expect(first.missing.map((each) => each.section)).toEqual([
    "package_registry",
    "risk_ranking",
    "compliance",
    "decision",
    "summary",
    "rendering",
  ]);
  expect(bench.progress.filter((each) => each.message.includes(" of 17)")).length).toBe(17);

  await tree.write("src/b.ts", "export const b = () => 1;\neval(b);\n");
  const second = await analyzeTree(bench, { path: tree.path });
  expect(second).toMatchObject({ cycles: [], edges: 1, risks: [{ file: "src/b.ts", line: 2, kind: "eval" }] });
  expect(second).toMatchObject({ kept: { version: 2 }, since: { version: 1 } });
  expect(second.since?.changed).toContainEqual({ at: "edges", before: 2, after: 1 });
  expect(second.since?.went.map((each) => each.at)).toContain('cycles[["src/a.ts","src/b.ts"]]');
  expect(second.since?.appeared.some((each) => each.at.startsWith("risks["))).toBe(true);

  const text = renderReport(second);
  expect(text).toContain("src/b.ts:2 eval: runs text as code");
  expect(text).toContain("Kept as version 2");
  expect(text).toContain("- summary (summarization): No swarm offers summarization.");
});

const sectionsOf = {
  architecture: ["graph", "cycles", "layers", "design"],
  tools: ["complexity", "sizes", "duplicates", "dead_exports"],
  security: ["secrets", "risks", "dependencies", "dependencies", "compliance"],
  storage: ["storage"],
};
const membersOf = {
  architecture: ["modules", "edges", "cycles", "layers", "design"],
  tools: ["files", "functions", "duplicates", "sizes", "deadExports"],
  security: ["secrets", "risks", "dependencies"],
  storage: ["kept"],
};

test.for(four)("without $name its sections are absent, each with the reason, and the rest stands", async (removed) => {
  await using bench = await openBench();
  await using tree = await plantTree(house);
  const whole = await analyzeTree(bench, { path: tree.path });
  const report = await analyzeTree(bench, { path: tree.path }, agentsOf(four.filter((each) => each !== removed)));
  const name = removed.name as keyof typeof sectionsOf;
  const usual = new Set(["package_registry", "risk_ranking", "decision", "summary", "rendering"]);
  const missing = report.missing.map((each) => each.section).filter((section) => !usual.has(section));
  expect(missing.filter((section) => name === "security" || section !== "compliance")).toEqual(sectionsOf[name]);
  for (const { reason } of report.missing) expect(reason).toMatch(/No swarm offers|needs the section/);
  for (const [service, members] of Object.entries(membersOf)) {
    for (const member of members) {
      if (service === name) expect(report).not.toHaveProperty(member);
      else if (member !== "kept") expect(report).toHaveProperty(member, whole[member as keyof Analysis]);
    }
  }
});

test("what others answer fills their sections, and what answers nonsense is missing with the reason", async () => {
  await using bench = await openBench();
  await using tree = await plantTree(house);
  const answers = (capability: string, answer: (input: Record<string, unknown>) => JsonValue) =>
    agent({
      name: capability.replace(".", "-"),
      capability,
      description: "Answers as told.",
      input: z.record(z.string(), z.unknown()),
      handle: (_ctx, input) => answer(input),
    });
  const report = await analyzeTree(
    bench,
    { path: tree.path },
    [
      ...agentsOf(four),
      answers("package_registry.inventory", () => ({
        dependencies: [{ name: "x", version: "1.0.0", licence: "MIT" }],
      })),
      answers("compliance", () => ({ verdicts: [{ name: "x", version: "1.0.0", verdict: "allowed" }] })),
      answers("decision_making", ({ facts }) => ({
        verdict: "no-go",
        reasons: [`${(facts as { runtimeCycles: number }).runtimeCycles} circle`],
      })),
      answers("summarization", ({ decision }) => ({ text: JSON.stringify(decision), origin: "rules" })),
      answers("report_rendering", ({ report: given }) => ({ title: (given as Analysis).path })),
      answers("risk_ranking", () => ({ origin: "model", files: [{ path: "a.ts", score: 0.5, because: [] }] })),
      answers("code_analysis.sizes", () => "nonsense"),
    ].toReversed(),
  );
  expect(report).toMatchObject({
    dependencies: [{ name: "x", verdict: "allowed" }],
    decision: { verdict: "no-go", reasons: ["1 circle"] },
    summary: { text: '{"verdict":"no-go","reasons":["1 circle"]}', origin: "rules" },
    rendering: { title: report.path },
    riskRanking: { origin: "model", files: [{ path: "a.ts", score: 0.5, because: [] }] },
    missing: [{ section: "sizes", capability: "code_analysis.sizes", reason: expect.stringContaining("failed: what") }],
  });
  expect(report.sizes).toBeUndefined();
});

test("only the sections that are asked for, as a list or as words; an unknown one is refused by name", async () => {
  await using bench = await openBench();
  await using tree = await plantTree(house);
  const asked: string[] = [];
  const delegate = delegateTo(bench, agentsOf(four), asked);
  await bench.run(analyze, { path: tree.path, sections: "cycles, secrets" }, { delegate });
  expect(asked).toEqual(["component_analysis.cycles", "secret_scan"]);
  // As the command line sends what a person typed.
  asked.length = 0;
  await bench.run(analyze, { path: tree.path, sections: ["cycles, secrets"] }, { delegate });
  expect(asked).toEqual(["component_analysis.cycles", "secret_scan"]);
  expect(await analyzeTree(bench, { path: tree.path, sections: ["graph"] })).toMatchObject({ modules: 2, missing: [] });
  await expect(analyzeTree(bench, { path: tree.path, sections: ["beauty"] })).rejects.toThrow(
    /expected one of .*cycles/,
  );
});

test("a folder that is not there, a file, an empty folder and one without source", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({ "empty/.keep": "", "notes/a.md": "# a", "a.ts": "" });
  await expect(analyzeTree(bench, { path: join(tree.path, "gone") })).rejects.toMatchObject({
    code: "source.not_found",
  });
  await expect(analyzeTree(bench, { path: join(tree.path, "a.ts") })).rejects.toMatchObject({
    code: "source.not_a_directory",
  });
  await using empty = await plantTree();
  expect(await analyzeTree(bench, { path: empty.path })).toMatchObject({
    modules: 0,
    cycles: [],
    findings: [{ kind: "dependencies.no_manifest" }, { kind: "source.empty" }],
  });
  expect(await analyzeTree(bench, { path: join(tree.path, "notes") })).toMatchObject({
    modules: 0,
    findings: expect.arrayContaining([expect.objectContaining({ kind: "source.no_source" })]),
  });
});

test("a broken file is one finding, however many agents stumble over it, and all sections stand", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({ ...house, "src/broken.ts": "export const = ;\n" });
  const report = await analyzeTree(bench, { path: tree.path });
  expect(report).toMatchObject({ modules: 3, cycles: [["src/a.ts", "src/b.ts"]] });
  const syntax = report.findings.filter((each) => each.kind === "syntax");
  expect(syntax[0]).toMatchObject({ file: "src/broken.ts", line: 1 });
  expect(new Set(syntax.map((each) => JSON.stringify(each))).size).toBe(syntax.length);
});
