import type { Client } from "@viable/client";
import type { JsonObject } from "@viable/kernel";
import { codeOf, rootContext, sleep } from "@viable/kernel";
import type { CommandAnswer, EventView, ExecutionView, SendCommand } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import { interrupted } from "./exit-status.ts";
import { followExecution } from "./follow-execution.ts";
import type { Shell } from "./shell.ts";
import { tellApproval } from "./tell-approval.ts";

export interface RunCommandOptions {
  readonly command: string;
  readonly args: JsonObject;
  /** What its session says it is for; else that it was `viable exec`. */
  readonly purpose?: string | undefined;
  /** When the system is to end it, in milliseconds from now; the command's own limit where absent. */
  readonly timeoutMs?: number | undefined;
  /** Leave it to itself as soon as it is accepted. */
  readonly async?: boolean | undefined;
  /** An interrupt ends the waiting and not the execution. */
  readonly detachOnInterrupt?: boolean | undefined;
  onEvent?(event: EventView): void;
}

/** How long an outcome is waited for where nobody said how long it may take. */
const patienceMs = 30 * 60_000;
/** How much longer than its own deadline an execution is waited for: the system needs a moment to end it. */
const afterDeadlineMs = 10_000;
/** Pauses before a command is sent again over a line that broke. Its idempotency key makes the repeats harmless. */
const resendAfterMs = [500, 1_500];

/**
 * Sends a command in a session of its own and follows it to its outcome; with `async`, answers as soon as it is accepted (and
 * durable). An interrupt cancels the execution and throws `cli.interrupted`.
 */
export async function runCommand(shell: Shell, client: Client, options: RunCommandOptions): Promise<ExecutionView> {
  const interrupt = shell.catchInterrupt();
  const { purpose = `viable exec ${options.command}` } = options;
  const { sessionId } = await client.openSession({ clientType: "cli", purpose });
  try {
    const answer = await send(shell, client, sessionId, options);
    const { executionId } = answer;
    if (options.async === true || answer.status === "waiting") {
      const accepted = await client.execution(executionId);
      const asked = tellApproval(accepted);
      if (asked !== undefined) shell.err.write(asked);
      if (options.async === true) return accepted;
    }
    const view = await waitForOutcome(shell, client, sessionId, executionId, interrupt, options);
    if (interrupt.aborted) throw await onInterrupt(client, view, options.detachOnInterrupt === true);
    if (!isOutcome(view.status)) {
      const goesOn = tellApproval(view) === undefined ? "goes on" : "still waits for a person";
      shell.err.write(
        `${executionId} ${goesOn}; this has waited long enough. Follow it with: viable executions watch ${executionId}\n`,
      );
    }
    return view;
  } finally {
    // The execution does not need the session, and a session that nobody ends expires by itself.
    await client.endSession(sessionId).catch(() => undefined);
  }
}

async function send(
  shell: Shell,
  client: Client,
  sessionId: string,
  options: RunCommandOptions,
): Promise<CommandAnswer> {
  const request: SendCommand = {
    command: options.command,
    args: options.args,
    mode: "async",
    ...(options.timeoutMs !== undefined && { deadlineMs: options.timeoutMs }),
  };
  const idempotencyKey = shell.runtime.ids.next("trc");
  for (const pauseMs of resendAfterMs) {
    try {
      return await client.send(sessionId, request, { idempotencyKey });
    } catch (error) {
      if (codeOf(error) !== "client.unreachable") throw error;
    }
    await sleep(rootContext(shell.runtime), pauseMs);
  }
  return await client.send(sessionId, request, { idempotencyKey });
}

async function waitForOutcome(
  shell: Shell,
  client: Client,
  sessionId: string,
  executionId: string,
  interrupt: AbortSignal,
  options: RunCommandOptions,
): Promise<ExecutionView> {
  const enough = new AbortController();
  const waitMs = options.timeoutMs === undefined ? patienceMs : options.timeoutMs + afterDeadlineMs;
  const timer = shell.runtime.clock.setTimer(() => enough.abort(), waitMs);
  try {
    return await followExecution(shell.runtime, client, {
      sessionId,
      executionId,
      correlationId: executionId,
      signal: AbortSignal.any([interrupt, enough.signal]),
      ...(options.onEvent !== undefined && { onEvent: options.onEvent }),
    });
  } finally {
    timer.cancel();
  }
}

async function onInterrupt(client: Client, view: ExecutionView, detach: boolean): Promise<Error> {
  const { executionId } = view;
  if (isOutcome(view.status)) return interrupted(`Interrupted; ${executionId} had just ended as ${view.status}.`);
  if (detach) return interrupted(`${executionId} goes on. Follow it with: viable executions watch ${executionId}`);
  try {
    const { status } = await client.cancel(executionId);
    return interrupted(
      status === "cancelled"
        ? `${executionId} was cancelled.`
        : `Interrupted; ${executionId} had just ended as ${status}.`,
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return interrupted(`${executionId} could not be cancelled and may go on: ${reason}`);
  }
}
