/**
 * What runs in a worker thread: takes one task at a time, finds the agent by name among the exports of its module, runs it
 * and answers. It knows nothing of logs, swarms or other agents; whoever started it bounds its memory and its time.
 */
import { parentPort } from "node:worker_threads";
import type { JsonValue } from "@viable/kernel";
import { toRecordableDetails, toRecordableError, ViableError } from "@viable/kernel";
import type { AgentDefinition } from "../agent.ts";
import type { FromThread, ThreadTask, ToThread } from "./messages.ts";

const port = parentPort;
if (port === null) throw new ViableError("agent.no_thread", "This file is started as a worker thread.");

const answer = (message: FromThread) => port.postMessage(message);
let abort = new AbortController();

port.on("message", (message: ToThread) => {
  if (message.kind === "abort") abort.abort(new ViableError("execution.aborted", message.reason));
  else void run(message);
});

async function run(task: ThreadTask): Promise<void> {
  abort = new AbortController();
  const { signal } = abort;
  let ended = false;
  try {
    const agent = await findAgent(task.module, task.agent);
    const result = await agent.handle(
      {
        ...task.about,
        agent: task.agent,
        signal,
        progress(percent: number, message: string, metadata?: { readonly [key: string]: JsonValue }) {
          // What an agent says after its end would be taken for the next task's.
          if (ended) return;
          // A thread's message refuses what is no plain data, as the log would: progress must not fail for it.
          const kept = metadata && toRecordableDetails(metadata, "metadata");
          answer({ kind: "progress", percent, message, metadata: kept });
        },
      } as never,
      task.input as never,
    );
    ended = true;
    answer({ kind: "result", result });
  } catch (error) {
    ended = true;
    answer({ kind: "error", error: toRecordableError(error) });
  }
}

async function findAgent(module: string, name: string): Promise<AgentDefinition> {
  const exports = Object.values((await import(module)) as Record<string, unknown>);
  const agent = exports.find(
    (each): each is AgentDefinition =>
      typeof each === "object" &&
      each !== null &&
      "kind" in each &&
      each.kind === "agent" &&
      "name" in each &&
      each.name === name,
  );
  if (agent === undefined) {
    throw new ViableError("agent.not_exported", `${module} exports no agent named "${name}".`, {
      next: "Export the threadAgent from the module it gives as `module: import.meta.url`.",
    });
  }
  return agent;
}
