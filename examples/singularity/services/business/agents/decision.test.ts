/**
 * Go or no-go over the facts of an analysis: what each declared rule fires on and what it does not; what is missing is a reason and
 * never a yes; every rule that fired is named with its comparisons.
 */
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { decisionRules, declaredRules } from "../decision-rules.ts";
import { decision } from "./decision.ts";

/** A code base with nothing wrong, as an analysis tells of it. */
const sound = {
  modules: 100,
  edges: 300,
  cycles: 2,
  runtimeCycles: 1,
  upwardImports: 10,
  lines: 10_000,
  duplicatedLines: 300,
  secrets: 0,
  risks: 0,
  dependencies: 12,
  unknownLicences: 0,
  deniedLicences: 0,
  syntaxErrors: 0,
  missing: [],
};

followsInput(decision, "a sound code base goes, one with a secret does not", async (bench) => {
  const go = await bench.run(decision, { path: "/house", facts: sound });
  expect(go).toEqual({
    path: "/house",
    verdict: "go",
    reasons: [
      "No rule speaks against it: nothing-to-judge, secrets-in-files, denied-licences, unknown-licences, broken-syntax, runtime-cycles, upward-imports, risky-calls, duplicated-code.",
    ],
    fired: [],
    notFired: declaredRules.map((rule) => rule.name),
    notJudged: [],
    origin: "declared rules",
  });
  const no = await bench.run(decision, { facts: { ...sound, secrets: 2, risks: 1 } });
  expect(no).toMatchObject({
    verdict: "no-go",
    reasons: [
      expect.stringContaining("secrets-in-files: Secrets written into files: 2."),
      "risky-calls: Have risky calls looked at: 1.",
    ],
    fired: [
      { name: "secrets-in-files", effect: "no-go", because: ["secrets is 2 (greaterThan 0: yes)"] },
      { name: "risky-calls", effect: "condition" },
    ],
  });
  return [go, no];
});

test.for([
  ["nothing-to-judge", { lines: 0, duplicatedLines: 0 }, "no-go"],
  ["secrets-in-files", { secrets: 1 }, "no-go"],
  ["denied-licences", { deniedLicences: 1 }, "no-go"],
  ["unknown-licences", { unknownLicences: 1 }, "go with conditions"],
  ["broken-syntax", { syntaxErrors: 3 }, "go with conditions"],
  ["runtime-cycles", { runtimeCycles: 3 }, "go with conditions"],
  ["upward-imports", { upwardImports: 31 }, "go with conditions"],
  ["risky-calls", { risks: 1 }, "go with conditions"],
  ["duplicated-code", { duplicatedLines: 1_001 }, "go with conditions"],
] as const)("%s fires alone on %j: %s", async ([name, facts, verdict]) => {
  await using bench = await openBench();
  const result = await bench.run(decision, { facts: { ...sound, ...facts } });
  expect(result).toMatchObject({ verdict, fired: [{ name }] });
});

test("what is missing is a reason, and a clean rest makes no plain go of it", async () => {
  await using bench = await openBench();
  const { secrets: _, ...withoutSecrets } = sound;
  expect(
    await bench.run(decision, { facts: { ...withoutSecrets, missing: ["secrets", "risk_ranking"] } }),
  ).toMatchObject({
    verdict: "go with conditions",
    reasons: ["not judged: secrets-in-files (secrets is not there)", "missing from the report: secrets, risk_ranking"],
    notJudged: [{ name: "secrets-in-files", lacking: ["secrets is not there"] }],
  });
});

test("no denied licence among licences that nobody judged says nothing", async () => {
  await using bench = await openBench();
  expect(await bench.run(decision, { facts: { ...sound, missing: ["compliance"] } })).toMatchObject({
    verdict: "go with conditions",
    reasons: ["not judged: denied-licences (the section compliance is missing)", "missing from the report: compliance"],
  });
});

test("a code base without dependencies is not asked for their licences", async () => {
  await using bench = await openBench();
  const { deniedLicences: _, ...unjudged } = sound;
  expect(await bench.run(decision, { facts: { ...unjudged, dependencies: 0 } })).toMatchObject({ verdict: "go" });
  expect(await bench.run(decision, { facts: unjudged })).toMatchObject({
    verdict: "go with conditions",
    notJudged: [{ name: "denied-licences", lacking: ["deniedLicences is not there"] }],
  });
});

test("what was found counts, whoever else did not look", async () => {
  await using bench = await openBench();
  expect(await bench.run(decision, { facts: { ...sound, syntaxErrors: 2, missing: ["graph"] } })).toMatchObject({
    fired: [{ name: "broken-syntax" }],
    notJudged: [],
  });
  expect(await bench.run(decision, { facts: { ...sound, missing: ["graph"] } })).toMatchObject({
    fired: [],
    notJudged: [{ name: "broken-syntax" }],
  });
});

test("a section whose place another took is told, and is no condition", async () => {
  await using bench = await openBench();
  expect(
    await bench.run(decision, { facts: { ...sound, missing: ["package_registry", "package_registry"] } }),
  ).toMatchObject({
    verdict: "go",
    reasons: ["missing from the report: package_registry", expect.stringContaining("No rule speaks against it")],
  });
});

test("where nothing can be judged nothing speaks for a go", async () => {
  await using bench = await openBench();
  const result = await bench.run(decision, { facts: {} });
  expect(result).toMatchObject({ verdict: "no-go", fired: [], notFired: [] });
  expect((result.reasons as string[])[0]).toBe("Nothing could be judged.");
  expect((result.notJudged as unknown[]).length).toBe(declaredRules.length);
});

test("facts that were left undefined on the way are not known", async () => {
  const parsed = decision.input.safeParse({ facts: { ...sound, risks: undefined } });
  expect(parsed.success).toBe(true);
});

test("given rules replace the declared ones, and are refused with place and reason", async () => {
  await using bench = await openBench();
  const rules = [
    {
      name: "few-tests",
      effect: "condition",
      when: { fact: "tests.count", operator: "lessThan", value: 10 },
      reason: "Write tests: {tests.count} are {verdict}.",
    },
  ];
  expect(await bench.run(decision, { facts: { ...sound, secrets: 9, tests: { count: 3 } }, rules })).toMatchObject({
    verdict: "go with conditions",
    reasons: ["few-tests: Write tests: 3 are unknown."],
    origin: "given rules",
  });
  const issues = decision.input.safeParse({
    facts: {},
    rules: [rules[0], { name: "few-tests", effect: "perhaps", when: { all: [] }, reason: "" }],
  }).error?.issues;
  expect(issues?.map((issue) => issue.path.join("."))).toEqual([
    "rules.1.effect",
    "rules.1.when.all",
    "rules.1.reason",
  ]);
  expect(decision.input.safeParse({ facts: "all is well" }).success).toBe(false);
});

test("the declared rules are rules", () => {
  expect(decisionRules.safeParse(declaredRules).success).toBe(true);
});
