import { threadAgent, ViableError } from "viable";
import { z } from "zod";
import { pathInput, treeMemoryMb } from "../../../source/task.ts";
import { type Judgement, judgeLicence, type Verdict } from "../judge-licence.ts";
import { loadSpdx } from "../load-spdx.ts";
import { declaredPolicy, findPolicyProblems, licencePolicy } from "../policy.ts";

/** As many as an inventory names; with their reasons they fit into a result of four mebibytes. */
const maxDependencies = 5_000;
/** What comes from elsewhere than a registry has an address for a version, and browsers stop at about as long ones. */
const maxVersionChars = 2_000;

/** Judges the licences of dependencies by a declared policy. */
export const compliance = threadAgent({
  name: "compliance",
  capability: "compliance",
  description: "Judges the licence of each dependency by a declared policy: allowed, denied, for review or unknown",
  input: z.strictObject({
    path: pathInput.shape.path
      .optional()
      .describe("The folder whose dependencies these are; only repeated in the answer"),
    dependencies: z
      // Whatever stands for a licence is judged, so that one package with a whole text there does not keep the others from it.
      .array(z.object({ name: z.string().max(214), version: z.string().max(maxVersionChars), licence: z.string() }))
      .max(maxDependencies)
      .describe('What to judge, as [{"name","version","licence"}]; licence is an SPDX expression or "unknown"'),
    policy: licencePolicy
      .optional()
      .describe("Lists of SPDX ids in place of the declared ones: allowed, denied, review"),
  }),
  risk: "low",
  joinable: true,
  // The same heap as agents that read trees, so that one kept thread serves both.
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path, dependencies, policy }) {
    const spdx = await loadSpdx();
    const problems = policy === undefined ? [] : findPolicyProblems(spdx, policy);
    if (problems.length > 0) {
      throw new ViableError(
        "compliance.invalid_policy",
        `The policy cannot be used: ${problems.slice(0, 10).join(" ")}`,
        {
          next: "Name each licence once, by its SPDX id (https://spdx.org/licenses).",
        },
      );
    }
    const judged = new Map<string, Judgement>();
    const counts: Record<Verdict, number> = { allowed: 0, denied: 0, review: 0, unknown: 0 };
    const verdicts = dependencies.map(({ name, version, licence }) => {
      const judgement = judged.get(licence) ?? judgeLicence(spdx, policy ?? declaredPolicy, licence);
      judged.set(licence, judgement);
      counts[judgement.verdict]++;
      return { name, version, ...judgement };
    });
    ctx.progress(100, `${verdicts.length} licences judged, ${counts.denied} denied`);
    return {
      ...(path !== undefined && { path }),
      verdicts,
      counts,
      origin: policy === undefined ? "declared policy" : "given policy",
    };
  },
});
