import type { DelegateOutcome } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { authorization } from "./authorization.ts";

/** What `help` answers a web client; that it does is proved by its own tests and, for the two together, in the whole system. */
const help = async (_capability: string, args: unknown): Promise<DelegateOutcome> => {
  const { about } = args as { about: string };
  const answers: Record<string, object> = {
    sizes: { command: "sizes", risk: "low", allowed: true },
    wipe: { command: "wipe", risk: "high", allowed: false, reasons: ['wipe needs "execute"'] },
  };
  const result = answers[about] ?? { about, commands: [], near: ["sizes"] };
  return { ok: true, executionId: "exe_1", result: result as never };
};

followsInput(
  authorization,
  "each command is decided by itself, and one that is denied or unknown denies the whole",
  async (bench) => {
    const granted = await bench.run(authorization, { commands: "sizes" }, { delegate: help });
    expect(granted).toEqual({
      principal: "owner",
      isGranted: true,
      decisions: [{ command: "sizes", risk: "low", decision: "granted", reasons: [] }],
    });
    const mixed = await bench.run(authorization, { commands: "sizes, wipe,size" }, { delegate: help });
    expect(mixed).toMatchObject({
      isGranted: false,
      decisions: [
        { decision: "granted" },
        { command: "wipe", decision: "denied", reasons: ['wipe needs "execute"'] },
        { command: "size", decision: "unknown", reasons: ["Did you mean sizes?"] },
      ],
    });
    return [granted, mixed];
  },
);

test("where nobody can decide it is denied", async () => {
  await using bench = await openBench();
  const nobody = async (): Promise<DelegateOutcome> => ({
    ok: false,
    status: "refused",
    executionId: undefined,
    error: { code: "intake.overloaded", message: "The system is busy.", retryable: true },
  });
  expect(await bench.run(authorization, { commands: ["sizes"] }, { delegate: nobody })).toMatchObject({
    isGranted: false,
    decisions: [{ decision: "denied", reasons: ["The system is busy."] }],
  });
});
