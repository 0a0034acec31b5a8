import { agent } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { isStillKept, listLabels, readText, sha256Of } from "../documents.ts";

const maxProblems = 500;

type Problem = { readonly name: string; readonly version: number; readonly reason: string };

/** Reads every kept document and compares it with its checksum. */
export const check = agent({
  name: "check",
  capability: "data_persistence.check",
  description: "Reads all kept documents and reports those that are not what was kept",
  input: z.strictObject({}),
  risk: "low",
  timeoutMs: 10 * 60_000,
  async handle(ctx) {
    const problems: Problem[] = [];
    let checked = 0;
    let unfinished = 0;
    for await (const label of listLabels(ctx.memory)) {
      ctx.signal.throwIfAborted();
      const { name, version } = label;
      if (label.state === "writing") {
        unfinished++;
        continue;
      }
      const text = await readText(ctx.memory, label);
      const reason = whatIsWrong(text, label.sha256);
      if (reason !== undefined && !(await isStillKept(ctx.memory, label))) continue;
      if (reason !== undefined) problems.push({ name, version, reason });
      checked++;
      if (checked % 20 === 0) ctx.progress(50, `${checked} versions checked, ${problems.length} with a problem`);
    }
    const truncated: Truncated = {};
    return {
      checked,
      unfinished,
      isSound: problems.length === 0,
      problems: cutList("problems", problems, maxProblems, truncated),
      truncated,
    };
  },
});

function whatIsWrong(text: string | undefined, sha256: string): string | undefined {
  if (text === undefined) return "a piece of it is missing";
  return sha256Of(text) === sha256 ? undefined : "its text does not fit its checksum";
}
