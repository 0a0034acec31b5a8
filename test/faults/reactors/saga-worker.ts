// A process that carries runs of transfers on, beside others on the same log. It does what it is told line by line, and tells of every
// append of a run what came of it. It ends when it is asked to, or by whatever the test does to it.
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Membership } from "@viable/cluster";
import { joinCluster } from "@viable/cluster";
import { codeOf, createRuntime, rootContext, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import { createLog, mayPass } from "@viable/log";
import { createReactors, reactorEventTypes } from "@viable/reactors";
import type { Line } from "../log/lines.ts";
import { readSettings, tell as tellLine } from "../log/lines.ts";
import { openTarget } from "../log/open-target.ts";
import { SinkClient } from "./sink-client.ts";
import { awaitedEvent, defineTransfer } from "./transfer.ts";
import { watchRunAppends } from "./watch-run-appends.ts";
import type { Done, Order, WorkerLine } from "./worker-lines.ts";
import { toLife } from "./worker-lines.ts";

export interface WorkerSettings {
  readonly connectionString: string;
  readonly sinkPath: string;
  readonly leaseMs: number;
  /** Steps take up to twice this long beside their effect, in milliseconds. */
  readonly maxWorkMs: number;
  /** Every run stops in the step after its first, until the process ends. */
  readonly isHeld: boolean;
  /** A defect on purpose: it takes its first lease for one that holds for ever, and writes to runs whatever others have written since. */
  readonly isUnfenced: boolean;
}

const tell = (line: WorkerLine) => tellLine(line as unknown as Line);
const settings = readSettings<WorkerSettings>();
const lines = createInterface({ input: process.stdin });
// A parent that is gone asks for nothing more.
lines.on("close", () => process.exit(1));
// It may have been started long before it is needed.
await once(lines, "line");
const runtime = createRuntime();
const ctx = rootContext(runtime);
const log: Log = createLog(openTarget({ kind: "postgres", connectionString: settings.connectionString }), runtime, {
  types: reactorEventTypes,
});
const membership = joinCluster({ log, runtime, hosts: ["bank"], leaseMs: settings.leaseMs });
const appends = watchRunAppends(log, {
  life: () => toLife(membership.processId, membership.epoch),
  tell,
  ignoresVersions: settings.isUnfenced,
});
const heldMs = 3_600_000;
const drawWorkMs = (step: string) =>
  settings.isHeld && step !== "withdraw" ? heldMs : runtime.random.next() * settings.maxWorkMs;
const sink = await SinkClient.connect(settings.sinkPath, (runId) => appends.claimOf(runId));
const reactors = createReactors({
  log: appends.log,
  runtime,
  membership: settings.isUnfenced ? believingItHolds(membership) : membership,
  definitions: defineTransfer(sink, drawWorkMs),
  onProblem: (message) => tell(["complaint", message]),
});
try {
  await log.start(ctx);
  await membership.start(ctx);
  await reactors.start(ctx);
} catch (error) {
  if (!mayPass(error) && codeOf(error) !== "cluster.join_failed") throw error;
  tell(["unopened", (error as Error).message]);
  process.exit(0);
}
tell(["open", membership.processId]);
let lastEpoch = 0;
setInterval(() => {
  if (membership.epoch !== lastEpoch) tell(["life", toLife(membership.processId, membership.epoch)]);
  lastEpoch = membership.epoch;
  const failure = reactors.failure();
  if (failure !== undefined) tell(["complaint", `its picture of open runs is lost: ${failure}`]);
}, 50);

lines.on("line", (line) => {
  if (line === "stop") void stop();
  else {
    const [nr, order] = JSON.parse(line) as [number, Order];
    void obey(nr, order);
  }
});

/** A membership that never finds out that it is lost. */
function believingItHolds(membership: Membership): Membership {
  let epoch = 0;
  return new Proxy(membership, {
    get(target, name) {
      if (name === "canClaim") return epoch > 0 || target.canClaim;
      if (name === "epoch") {
        epoch ||= target.epoch;
        return epoch;
      }
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function stop(): Promise<void> {
  for (const part of [reactors, membership, log]) await part.stop(ctx);
  process.exit(0);
}

async function obey(nr: number, order: Order): Promise<void> {
  try {
    tell(["done", nr, await follow(order)]);
  } catch (error) {
    if (mayPass(error) || (error instanceof ViableError && error.retryable)) tell(["again", nr]);
    else tell(["complaint", `${JSON.stringify(order)}: ${(error as Error).stack}`]);
  }
}

async function follow(order: Order): Promise<Done> {
  switch (order.what) {
    case "begin": {
      const begun = await reactors.begin(ctx, "transfer", order.input, { key: order.key });
      if (begun.ok) return { ok: true, runId: begun.runId, repeated: begun.repeated };
      if (begun.reason === "overloaded") throw new ViableError("test.overloaded", begun.message, { retryable: true });
      throw new Error(begun.message);
    }
    case "send":
      await reactors.send(ctx, awaitedEvent, order.key, { for: order.key }, { id: `evt-${order.key}` });
      return { ok: true };
    case "cancel":
      return await reactors.cancel(ctx, order.runId, "somebody changed their mind");
    case "undo":
      return await reactors.undo(ctx, order.runId, "somebody wants it back");
    case "review":
      // All that is undone here is undone once under its key, so it can be done again.
      return await reactors.review(ctx, order.runId, { decision: "retry" });
  }
}
