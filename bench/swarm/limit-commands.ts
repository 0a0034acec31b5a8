// The subject `limit` of remote commands: the events that a command of ours writes, of the same sizes, each after the one before is on the
// disk, by the group commit by hand. One process; nobody claims, nobody is told, and no agent runs.
import { createRuntime } from "@viable/kernel";
import { bareSchema, createBareGroupCommit } from "../command/bare-group-commit.ts";
import type { EventSample } from "../command/two-events.ts";
import type { Place } from "../harness/bare-database.ts";
import { openBare } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { CallLoad } from "./call-load.ts";
import { driveCalls } from "./call-load.ts";
import type { Message } from "./message.ts";
import type { RateLoad } from "./rate-load.ts";
import { driveAtRate } from "./rate-load.ts";

const { samples, ...place } = readSettings<Place & { samples: readonly EventSample[] }>();
const runtime = createRuntime();
const execute = await openBare(place, bareSchema);
const append = createBareGroupCommit(execute, (kind) => runtime.ids.next(kind));

async function carryOut({ n, text }: Message): Promise<Message> {
  const executionId = runtime.ids.next("exe");
  for (const [index, sample] of samples.entries()) await append(sample, executionId, index + 1);
  return { n: n + 1, text };
}

answerParent({
  ready: () => true,
  do: ({ load }: { load: CallLoad }) => driveCalls(load, carryOut),
  doAtRate: ({ load }: { load: RateLoad }) =>
    driveAtRate(load, async (message) => ({ answer: await carryOut(message), waitedMs: undefined })),
  ...watchProcess(),
});
