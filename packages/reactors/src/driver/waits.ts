import type { Context, JsonValue } from "@viable/kernel";
import { keepJson } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { StepWait } from "@viable/protocol";
import type { ApprovalNode, EventNode } from "../definition.ts";
import { invalidStepArgument, waitTimedOut } from "../errors.ts";
import type { OpenNode } from "../open-node.ts";
import { awaitedStream } from "../open-runs.ts";
import { maxKeyChars, maxResultChars, maxTimeMs } from "../run-bounds.ts";
import { askAgain, askLog } from "./ask-log.ts";
import type { DrivenRun } from "./driven-run.ts";
import { nowOf, wakeFor } from "./driven-run.ts";
import { fail, succeed } from "./outcomes.ts";
import { record } from "./record.ts";

/*
 * A wait is recorded first, with its end, and looked at whenever it may be over: when its time has come, when something was heard of that
 * it waits for, and when the run was loaded.
 */

/** Sleeps for a time, or until one. */
export function sleep(run: DrivenRun, node: OpenNode): void {
  if (node.wait?.for === "time") {
    if (nowOf(run) >= node.wait.until) succeed(run, node, null);
    else wakeFor(run, node.path, node.wait.until);
    return;
  }
  const { forMs, until } = argsOf(run, node);
  const at = typeof until === "number" ? until : typeof forMs === "number" ? nowOf(run) + forMs : Number.NaN;
  if (at <= maxTimeMs) beginWait(run, node, { for: "time", until: at });
  else fail(run, node, invalidStepArgument(node.path, "forMs or until must be a number of milliseconds"));
}

/** Waits for something that is sent under an event and a key, and takes the first that this run has not taken. */
export function awaitEvent(run: DrivenRun, node: OpenNode, { event }: EventNode): void {
  const { wait, path } = node;
  if (wait?.for === "event") {
    awaitReceived(run, node, wait);
    return;
  }
  const { key, timeoutMs } = argsOf(run, node);
  const until = endOf(run, node, timeoutMs);
  if (until === undefined) fail(run, node, invalidStepArgument(path, "timeoutMs must be a number of milliseconds"));
  else if (key === undefined && !isSaid(node, "key"))
    beginWait(run, node, { for: "event", event, key: run.runId, ...until });
  else if (typeof key !== "string" || key.length === 0 || key.length > maxKeyChars)
    fail(run, node, invalidStepArgument(path, `key must be text of 1 to ${maxKeyChars} characters`));
  else beginWait(run, node, { for: "event", event, key, ...until });
}

function awaitReceived(run: DrivenRun, node: OpenNode, wait: StepWait & { for: "event" }): void {
  const { ctx, ports } = run;
  const { event, key, until } = wait;
  const taken = () => run.progress.consumed.get(JSON.stringify([event, key])) ?? 0;
  const received = () => firstReceived(ctx, ports.log, event, key, taken());
  void askLog(run, node, received, (found) => {
    // Another step of this run, which waits for the same, has taken it meanwhile.
    if (found !== undefined && found.version <= taken()) askAgain(run, node.path);
    else if (found !== undefined) {
      const { payload: judge } = node.plan.functions;
      succeed(run, node, judge === undefined ? found.payload : judge(found.payload), { consumed: found.version });
    } else if (until === undefined) return;
    else if (nowOf(run) >= until) fail(run, node, waitTimedOut(node.path, event));
    else wakeFor(run, node.path, until);
  });
}

/** What was received for an event and a key after a version: the first of it. */
async function firstReceived(
  ctx: Context,
  log: Log,
  event: string,
  key: string,
  after: number,
): Promise<{ readonly version: number; readonly payload: JsonValue | undefined } | undefined> {
  const stream = awaitedStream(ctx.tenant, event, key);
  const [found] = await log.readStream(ctx, stream, { fromVersion: after + 1, limit: 1 });
  return found && { version: found.version, payload: found.data.payload };
}

/** Waits for a person's word, which comes as an event of the run. */
export function awaitApproval(run: DrivenRun, node: OpenNode, { title }: ApprovalNode): void {
  const { wait, path } = node;
  if (wait?.for === "approval") {
    if (wait.until === undefined) return;
    if (nowOf(run) >= wait.until) fail(run, node, waitTimedOut(path, "an approval"));
    else wakeFor(run, path, wait.until);
    return;
  }
  const { details, timeoutMs } = argsOf(run, node);
  const kept = details === undefined ? undefined : keepJson(details, maxResultChars, "details");
  const until = endOf(run, node, timeoutMs);
  if (until === undefined) fail(run, node, invalidStepArgument(path, "timeoutMs must be a number of milliseconds"));
  else if (typeof kept === "string") fail(run, node, invalidStepArgument(path, kept));
  else {
    const approvalId = run.ctx.runtime.ids.next("apr");
    const asked = kept === undefined ? {} : { details: kept.value };
    beginWait(run, node, { for: "approval", approvalId, title, ...asked, ...until });
  }
}

function beginWait(run: DrivenRun, node: OpenNode, wait: StepWait): void {
  record(run, { type: "step.waiting", data: { step: node.path, wait } });
}

/** What a wait is told; that it is what it should be, nobody has judged. */
const argsOf = (run: DrivenRun, node: OpenNode) =>
  run.progress.argsOf(node) as { readonly [Name in "forMs" | "until" | "key" | "timeoutMs" | "details"]?: unknown };

/** Whether a wait is told something. What leads to nothing is not taken for what was never said: it would wait without an end, or for something else. */
function isSaid({ plan }: OpenNode, name: "key" | "timeoutMs"): boolean {
  const { args } = plan.node;
  return args.from === "object"
    ? Object.hasOwn(args.members, name)
    : args.from === "value" && Object.hasOwn(Object(args.value), name);
}

/** Until when it waits at most: for ever where nothing is said; undefined where what is said is no time. */
function endOf(run: DrivenRun, node: OpenNode, timeoutMs: unknown): { until?: number } | undefined {
  if (timeoutMs === undefined && !isSaid(node, "timeoutMs")) return {};
  const until = typeof timeoutMs === "number" ? nowOf(run) + timeoutMs : Number.NaN;
  return until <= maxTimeMs ? { until } : undefined;
}
