/**
 * The reference system as it runs: real swarms, real threads, the gateway's routes. Any one service taken from the config takes its
 * sections out of the report, with the reason, and nothing else; tasks cross swarms by capability, so nobody else notices.
 */
import type { ServiceDefinition } from "viable";
import { expect, test } from "vitest";
import { reportSections, sectionNames, treeSections } from "./analyze/sections.ts";
import { plantTree } from "./testing/plant-tree.ts";
import { startServices } from "./testing/start-services.ts";
import singularity from "./viable.config.ts";

// A developer's own keys must not make this test ask a model.
for (const name of ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_COMPATIBLE_URL"]) delete process.env[name];

const allSections = [...treeSections, ...Object.values(reportSections)];

type Report = Record<string, unknown> & { missing: { section: string; capability: string; reason: string }[] };

/** Members that only say when and how a run was. */
const ofTheRun = ["missing", "findings", "kept", "since"];
/** Members that tell of the others, so that they change with them. */
const ofOthers = ["decision", "summary", "rendering"];

async function analyzeWith(services: readonly ServiceDefinition[], path: string): Promise<Report> {
  await using running = await startServices(services);
  const answer = await running.run("analyze", { path });
  expect(answer).toMatchObject({ status: "completed" });
  return answer.result as Report;
}

test("each service taken away takes its sections and nothing else, and the report says why", {
  timeout: 240_000,
}, async () => {
  await using tree = await plantTree({
    "package.json": `{ "name": "house", "main": "src/a.ts", "dependencies": { "zod": "^4" } }`,
    "src/a.ts": `import { b } from "./b";\nexport const a = b ? 1 : 2;\n`,
    "src/b.ts": `import { a } from "./a";\nexport const b = () => a;\nexport const dead = 1;\n`,
  });
  // The legacy service answers in others' place: without it a service that is away leaves its sections open.
  const services = singularity.services.filter(({ legacy }) => !legacy);
  const whole = await analyzeWith(services, tree.path);
  expect(whole).toMatchObject({ modules: 2, edges: 2, cycles: [["src/a.ts", "src/b.ts"]], missing: [] });

  for (const absent of services) {
    const others = services.filter((service) => service !== absent);
    const report = await analyzeWith(others, tree.path);
    const offered = new Set(others.flatMap((service) => service.capabilities));
    const expected = allSections.filter(({ capabilities }) => !capabilities.some((each) => offered.has(each)));
    const gone = report.missing.filter(({ section }) => (sectionNames as readonly string[]).includes(section));
    expect(new Set(gone.map(({ section }) => section)), absent.name).toEqual(new Set(expected.map(({ name }) => name)));
    for (const { capability, reason } of report.missing) {
      expect(absent.capabilities, `${absent.name}: ${capability}`).toContain(capability);
      expect(reason).toContain(`There is no command "${capability}"`);
    }
    // What is still there is what it was.
    for (const [member, value] of Object.entries(report)) {
      if (![...ofTheRun, ...ofOthers].includes(member)) {
        expect(withoutVerdicts(value), `${absent.name} away: ${member}`).toEqual(withoutVerdicts(whole[member]));
      }
    }
  }
});

/** Verdicts on dependencies are Business's, and go with it. */
function withoutVerdicts(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((each) => {
    if (typeof each !== "object" || each === null || !("verdict" in each)) return each;
    const { verdict: _, ...rest } = each;
    return rest;
  });
}
