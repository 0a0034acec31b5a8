/**
 * What Business says about licences: by the declared policy and by a given one, expressions as SPDX means them, spellings
 * corrected and guesses not made. What is right is taken from the SPDX specification and the licences' own texts.
 */
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { loadSpdx } from "../load-spdx.ts";
import { declaredPolicy, findPolicyProblems } from "../policy.ts";
import { compliance } from "./compliance.ts";

type Judged = { verdict: string; rule: string; reason: string; corrected?: { from: string; to: string } };

async function judge(bench: AgentBench, licence: string, policy?: JsonObject): Promise<Judged> {
  const dependencies = [{ name: "x", version: "1.0.0", licence }];
  const result = await bench.run(compliance, { dependencies, ...(policy !== undefined && { policy }) });
  return (result.verdicts as unknown as Judged[])[0] as Judged;
}

followsInput(compliance, "a permissive licence is allowed, one that asks for the source is denied", async (bench) => {
  const one = await bench.run(compliance, {
    path: "/house",
    dependencies: [{ name: "zod", version: "4.6.7", licence: "MIT" }],
  });
  expect(one).toEqual({
    path: "/house",
    verdicts: [{ name: "zod", version: "4.6.7", verdict: "allowed", rule: "allowed: MIT", reason: "MIT is allowed." }],
    counts: { allowed: 1, denied: 0, review: 0, unknown: 0 },
    origin: "declared policy",
  });
  const other = await bench.run(compliance, {
    dependencies: [{ name: "readline", version: "8.0.0", licence: "GPL-3.0-or-later", verdict: "allowed" }],
  });
  expect(other).toMatchObject({
    verdicts: [{ name: "readline", verdict: "denied", rule: "denied: GPL-1.0-or-later" }],
    counts: { allowed: 0, denied: 1 },
  });
  return [one, other];
});

test.for([
  ["MIT OR GPL-3.0-only", "allowed"],
  ["GPL-3.0-only OR MIT", "allowed"],
  ["MIT AND GPL-3.0-only", "denied"],
  ["GPL-3.0-only AND MIT", "denied"],
  ["(MIT AND MPL-2.0) OR GPL-2.0-only", "review"],
  ["MIT AND (GPL-2.0-only OR ISC)", "allowed"],
  ["MIT OR GPL-2.0-only AND MPL-2.0", "allowed"],
  ["GPL-2.0+", "denied"],
  ["LGPL-2.1", "review"],
  ["LGPL-3.0-or-later", "review"],
  ["Apache-2.0 WITH LLVM-exception", "allowed"],
  ["GPL-2.0-only WITH Classpath-exception-2.0", "review"],
  ["LicenseRef-house", "review"],
  ["Beerware", "review"],
  ["UNLICENSED", "denied"],
] as const)("%s is %s under the declared policy", async ([licence, verdict]) => {
  await using bench = await openBench();
  expect(await judge(bench, licence)).toMatchObject({ verdict });
});

test.for(["unknown", "", "NOASSERTION", "SEE LICENSE IN LICENSE.txt", "SEE LICENCE IN mit.md"])(
  "%j names no licence, and none is guessed",
  async (licence) => {
    await using bench = await openBench();
    const judged = await judge(bench, licence);
    expect(judged).toMatchObject({ verdict: "unknown" });
    expect(judged).not.toHaveProperty("corrected");
  },
);

test.for([
  ["mit", "MIT", "allowed"],
  ["MTI", "MIT", "allowed"],
  ["The MIT License (MIT)", "MIT", "allowed"],
  ["ISC license", "ISC", "allowed"],
  ["Apache 2", "Apache-2.0", "allowed"],
  ["Apache License, Version 2.0", "Apache-2.0", "allowed"],
  ["3-Clause BSD", "BSD-3-Clause", "allowed"],
  ["GPLv3", "GPL-3.0", "denied"],
  ["GPL 3 or later", "GPL-3.0+", "denied"],
  ["(mit or apache2)", "(MIT OR Apache-2.0)", "allowed"],
  ["mit and gplv2", "MIT AND GPL-2.0-only", "denied"],
] as const)("%s is a spelling of %s, and the answer says so", async ([from, to, verdict]) => {
  await using bench = await openBench();
  expect(await judge(bench, from)).toMatchObject({
    verdict,
    corrected: { from, to },
    reason: expect.stringContaining(`Read as ${to}`),
  });
});

test.for([
  "BSD",
  "GPL",
  "Apache-2.1",
  "BSL-1.1",
  "MIT*",
  "MIT/Apache-2.0",
  "Commercial, MIT-like",
  "Unlicenced",
  "MIT AND",
])("%s does not say which licence it is: a person has to look", async (licence) => {
  await using bench = await openBench();
  const judged = await judge(bench, licence);
  expect(judged).toMatchObject({ verdict: "review", rule: "not SPDX" });
  expect(judged).not.toHaveProperty("corrected");
});

test("a given policy replaces the declared one, and its ranges are of versions", async () => {
  await using bench = await openBench();
  const policy = {
    allowed: ["LGPL-3.0-only", "CDDL-1.1", "MPL-2.0-no-copyleft-exception"],
    denied: ["MIT", "GPL-2.0-only", "GPL-3.0-only"],
    review: ["GPL-2.0-only WITH Classpath-exception-2.0"],
  };
  const verdicts = {
    MIT: "denied",
    ISC: "review",
    // Older than what is allowed, and of eight characters.
    "LGPL-2.1": "review",
    "LGPL-2.1-only": "review",
    "CDDL-1.0": "review",
    // May be taken in the version that is allowed.
    "LGPL-2.1-or-later": "allowed",
    "GPL-2.0-or-later": "denied",
    "GPL-2.0 WITH Classpath-exception-2.0": "review",
    UNLICENSED: "review",
  };
  for (const [licence, verdict] of Object.entries(verdicts)) {
    expect(await judge(bench, licence, policy), licence).toMatchObject({ verdict });
  }
});

test("an id that SPDX has given up is what it says to write instead, in packages and in policies", async () => {
  await using bench = await openBench();
  expect(await judge(bench, "GPL-2.0-with-classpath-exception")).toEqual(
    expect.objectContaining(await judge(bench, "GPL-2.0-only WITH Classpath-exception-2.0")),
  );
  expect(await judge(bench, "BSD-2-Clause-NetBSD")).toMatchObject({
    verdict: "allowed",
    rule: "allowed: BSD-2-Clause",
  });
  const policy = {
    allowed: ["GPL-2.0-only WITH Classpath-exception-2.0"],
    denied: ["wxWindows", "GPL-2.0-only WITH eCos-exception-2.0"],
    review: [],
  };
  const verdicts = {
    "GPL-2.0-with-classpath-exception": "allowed",
    "LGPL-2.0-or-later WITH WxWindows-exception-3.1": "denied",
    // Or any later version, and of those nothing is said.
    "eCos-2.0": "denied",
    "GPL-2.0-with-font-exception": "review",
  };
  for (const [licence, verdict] of Object.entries(verdicts)) {
    expect(await judge(bench, licence, policy), licence).toMatchObject({ verdict });
  }
});

test("a package with a whole text for a licence is for a person, and neither it nor an address for a version keeps anybody from judging the others", async () => {
  await using bench = await openBench();
  const dependencies = [
    { name: "signed", version: `https://house.io/signed.tgz?signature=${"0".repeat(500)}`, licence: "MIT" },
    { name: "wordy", version: "1.0.0", licence: "Permission is hereby granted, free of charge. ".repeat(100) },
    { name: "zod", version: "4.6.7", licence: "MIT" },
  ];
  const result = await bench.run(compliance, { dependencies });
  expect(result.verdicts).toMatchObject([
    { verdict: "allowed" },
    { verdict: "review", rule: "not SPDX" },
    { verdict: "allowed" },
  ]);
  expect(JSON.stringify(result).length).toBeLessThan(2_000);
});

test("a policy that names no licences, or one twice, is refused with the place", async () => {
  await using bench = await openBench();
  const policy = { allowed: ["MIT", "Foo-1.0"], denied: ["MIT", "GPL-2.0 OR MIT"], review: [] };
  await expect(judge(bench, "MIT", policy)).rejects.toMatchObject({
    code: "compliance.invalid_policy",
    message: expect.stringMatching(
      /policy\.allowed\[1\]: "Foo-1\.0".*policy\.denied\[0\]: "MIT" stands in allowed.*policy\.denied\[1\].*expression/,
    ),
  });
  await expect(bench.run(compliance, { dependencies: [{ name: "x" }] })).rejects.toThrow(/expected string/);
  expect(await bench.run(compliance, { dependencies: [] })).toMatchObject({ verdicts: [] });
});

test("the declared policy is one", async () => {
  expect(findPolicyProblems(await loadSpdx(), declaredPolicy)).toEqual([]);
});
