import { createHash } from "node:crypto";
import type { AgentDefinition } from "viable";
import { threadAgent, ViableError } from "viable";
import { makeEffect } from "../ledger-client.ts";
import { workInput, workTimeoutMs } from "./work.ts";

/** Some milliseconds of a core. */
const hashes = 5_000;

/** Computes in a thread of its own, and does one thing outside. A thread finds its agent by name among what is exported here. */
const computer = (service: string): AgentDefinition =>
  threadAgent({
    name: `${service}-computer`,
    capability: `${service}.work`,
    description: "Computes, and does one thing outside.",
    module: import.meta.url,
    input: workInput,
    timeoutMs: workTimeoutMs,
    handle: async ({ executionId, attempt }, { fails }) => {
      let digest = executionId;
      for (let left = hashes; left > 0; left--) digest = createHash("sha256").update(digest).digest("hex");
      if (fails) throw new ViableError("test.asked_to_fail", "It was asked to fail.");
      const { pid } = process;
      const receipt = await makeEffect({ key: executionId, execution: executionId, service, pid, attempt });
      return { pid, attempt, receipt, asked: [] };
    },
  });

export const architecture = computer("architecture");
export const ml = computer("ml");
export const tools = computer("tools");
