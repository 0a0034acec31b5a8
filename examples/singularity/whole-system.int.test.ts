/**
 * The reference system as it runs: real swarms, real threads, the gateway's routes. Any one service taken from the config takes its
 * sections out of the report, with the reason, and nothing else; tasks cross swarms by capability, so nobody else notices.
 */
import { createRuntime, rootContext } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { ServiceDefinition } from "viable";
import { defineSystem } from "viable";
import { createSystem } from "viable/run";
import { expect, test } from "vitest";
import { analyze } from "./analyze/analyze.ts";
import { architecture } from "./services/architecture/index.ts";
import { security } from "./services/security/index.ts";
import { storage } from "./services/storage/index.ts";
import { tools } from "./services/tools/index.ts";
import { plantTree } from "./testing/plant-tree.ts";

type Report = Record<string, unknown> & { missing: { section: string; capability: string; reason: string }[] };

/** Members that only say when and how a run was. */
const ofTheRun = ["missing", "findings", "kept", "comparison", "startedAt", "endedAt", "origins"];

async function analyzeWith(services: readonly ServiceDefinition[], path: string): Promise<Report> {
  const ctx = rootContext(createRuntime());
  const definition = defineSystem({ name: "part", services, commands: [analyze] });
  const system = createSystem(definition, { store: createMemoryStore() }, { servicePorts: "none" });
  await system.start(ctx);
  try {
    const post = async (route: string, body: object): Promise<Record<string, unknown>> => {
      const headers = { authorization: `Bearer ${system.ownerToken}` };
      const request = new Request(`http://test.invalid${route}`, {
        method: "POST",
        headers,
        body: JSON.stringify(body),
      });
      return (await (await system.fetch(request)).json()) as Record<string, unknown>;
    };
    const { sessionId } = await post("/v1/sessions", { clientType: "cli" });
    const answer = await post(`/v1/sessions/${sessionId}/commands`, {
      command: "analyze",
      args: { path },
      mode: "sync",
    });
    expect(answer).toMatchObject({ status: "completed" });
    return answer.result as Report;
  } finally {
    await system.stop(ctx);
  }
}

test("each service taken away takes its sections and nothing else, and the report says why", {
  timeout: 120_000,
}, async () => {
  await using tree = await plantTree({
    "package.json": `{ "name": "house", "main": "src/a.ts", "dependencies": { "zod": "^4" } }`,
    "src/a.ts": `import { b } from "./b";\nexport const a = b ? 1 : 2;\n`,
    "src/b.ts": `import { a } from "./a";\nexport const b = () => a;\nexport const dead = 1;\n`,
  });
  const all = [architecture, tools, security, storage];
  const whole = await analyzeWith(all, tree.path);
  expect(whole).toMatchObject({ modules: 2, edges: 2, cycles: [["src/a.ts", "src/b.ts"]] });
  const missingFromWhole = new Set(whole.missing.map(({ section }) => section));

  for (const absent of all) {
    const report = await analyzeWith(
      all.filter((service) => service !== absent),
      tree.path,
    );
    const gone = report.missing.filter(({ section }) => !missingFromWhole.has(section));
    expect(gone.length, absent.name).toBeGreaterThan(0);
    for (const { capability, reason } of gone) {
      // Dependencies are asked of the package registry first, which no config here has.
      expect([...absent.capabilities, "package_registry.inventory"], `${absent.name}: ${capability}`).toContain(
        capability,
      );
      expect(reason).toContain(`There is no command "${capability}"`);
    }
    // What is still there is what it was.
    for (const [member, value] of Object.entries(report)) {
      if (!ofTheRun.includes(member)) expect(value, `${absent.name} away: ${member}`).toEqual(whole[member]);
    }
    expect(Object.keys(report).length, absent.name).toBeLessThan(Object.keys(whole).length);
  }
});
