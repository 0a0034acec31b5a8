/**
 * Each of the services is killed in the middle of `analyze`, with its queen, its workers and all it had in hand. The analysis ends
 * nevertheless, and says what it did without.
 */
import { rootContext } from "@viable/kernel";
import { expect, test } from "vitest";
import { plantTree } from "./testing/plant-tree.ts";
import { startServices } from "./testing/start-services.ts";
import singularity from "./viable.config.ts";

const { services } = singularity;

/** What is right about the tree below, by who is asked for it. */
const facts: Readonly<Record<string, object>> = {
  "component_analysis.graph": { modules: 2, edges: 2 },
  "component_analysis.cycles": { cycles: [["src/a.ts", "src/b.ts"]], runtimeCycles: 1 },
  "component_analysis.layers": { layers: { levels: [["src"]] } },
  "code_analysis.complexity": { functions: [{ name: "b", complexity: 1 }] },
  "code_analysis.sizes": { sizes: { lines: 5 } },
  "code_analysis.duplicates": { duplicatedLines: 0 },
  secret_scan: { secrets: [] },
  dependency_inventory: { dependencies: [{ name: "zod" }] },
  decision_making: { decision: { verdict: expect.any(String) } },
  summarization: { summary: { text: expect.any(String) } },
  "data_persistence.keep": { kept: { sha256: expect.any(String) } },
};

test.each(services.map(({ name }) => name))(
  "%s is killed during analyze: it ends, and says what it did without",
  {
    timeout: 120_000,
  },
  async (name) => {
    await using tree = await plantTree({
      "package.json": `{ "name": "house", "main": "src/a.ts", "dependencies": { "zod": "^4" } }`,
      "src/a.ts": `import { b } from "./b";\nexport const a = b ? 1 : 2;\n`,
      "src/b.ts": `import { a } from "./a";\nexport const b = () => a;\n`,
    });
    await using running = await startServices(services);
    const { system } = running;
    const killed: string[] = [];
    let rounds = 0;
    // The first two tasks that reach it lose their swarm under them; a swarm that none reaches is killed as the analysis begins.
    const watching = system.log.subscribe(rootContext(system.runtime), {
      name: "kill-each",
      after: "now",
      filter: { types: ["execution.accepted"] },
      handle({ data }) {
        if (rounds >= 2 || (data.service !== name && data.command !== "analyze")) return;
        rounds += 1;
        const swarm = system.swarms.get(name);
        for (const { id, state } of swarm?.status().parts ?? []) {
          if (state !== "running") continue;
          swarm?.kill(id, "to see the others go on");
          killed.push(id);
        }
      },
    });
    const answer = await running.run("analyze", { path: tree.path });
    watching.stop();
    // All its parts, at least once: none of them is left to go on with what it had in hand.
    const parts = system.swarms
      .get(name)
      ?.status()
      .parts.map(({ id }) => id);
    expect(new Set(killed)).toEqual(new Set(parts));
    expect(answer).toMatchObject({ status: "completed" });
    const { missing, ...report } = answer.result as {
      missing: { section: string; capability: string; reason: string }[];
    };
    expect(report).toMatchObject({ path: tree.path });
    for (const [capability, fact] of Object.entries(facts)) {
      if (!missing.some((each) => each.capability === capability)) expect(report, capability).toMatchObject(fact);
    }
    const own = services.find((service) => service.name === name)?.capabilities ?? [];
    for (const { capability, reason } of missing) {
      expect(own, `${capability} is missing though ${name} alone was killed: ${reason}`).toContain(capability);
      expect(reason).not.toBe("");
    }
    // And it is back: whoever asks next is served.
    await expect.poll(() => system.swarms.get(name)?.status().status, { timeout: 30_000 }).toBe("healthy");
  },
);
