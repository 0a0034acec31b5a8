// That ids which follow from whose command it is stay what they are: executions stand in logs under them, and a repeat finds them there.
import { createRuntime, rootContext } from "@viable/kernel";
import { expect, test } from "vitest";
import { executionIdFor } from "./acceptance.ts";
import type { IntakeRequest } from "./intake-request.ts";

const ctx = rootContext(createRuntime(), { tenant: "acme", principal: "ada" });

test.each([
  ["of a session", { grant: { principal: "ada", sessionId: "ses_1" } }, "exe_2602fyythytp2daxp6jfn5627f"],
  ["of a principal outside of one", { grant: { principal: "ada" } }, "exe_4453033rakdh8fv01aykh7sy74"],
  [
    "of an execution that delegates",
    { parent: { executionId: "exe_1" }, command: "work", args: { b: [1, "ü"], a: null } },
    "exe_4278p2bwzfj9yy716f5vvysy4x",
  ],
])("under a key %s a command has the id that it always had", (_whose, request, id) => {
  expect(executionIdFor(ctx, { idempotencyKey: "k", ...request } as unknown as IntakeRequest)).toBe(id);
});
