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
    let kills = 0;
    // The first two tasks that reach it lose their swarm under them; a swarm that none reaches is killed as the analysis begins.
    const watching = system.log.subscribe(rootContext(system.runtime), {
      name: "kill-each",
      after: "now",
      filter: { types: ["execution.accepted"] },
      handle({ data }) {
        if (kills >= 2 || (data.service !== name && data.command !== "analyze")) return;
        kills += 1;
        const swarm = system.swarms.get(name);
        for (const { id, state } of swarm?.status().parts ?? []) {
          if (state === "running") swarm?.kill(id, "to see the others go on");
        }
      },
    });
    const answer = await running.run("analyze", { path: tree.path });
    watching.stop();
    expect(kills).toBeGreaterThan(0);
    expect(answer).toMatchObject({ status: "completed" });
    const { missing, ...report } = answer.result as {
      missing: { section: string; capability: string; reason: string }[];
    };
    expect(report).toMatchObject({ path: tree.path });
    const own = services.find((service) => service.name === name)?.capabilities ?? [];
    for (const { capability, reason } of missing) {
      expect(own, `${capability} is missing though ${name} alone was killed: ${reason}`).toContain(capability);
      expect(reason).not.toBe("");
    }
  },
);
