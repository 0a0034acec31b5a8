import { nearestNames, ViableError } from "@viable/kernel";

/** `reactor.invalid_definition`: the graph cannot be run. Says at which step, and what to do. */
export const invalidDefinition = (reactor: string, path: string, reason: string, next?: string): ViableError =>
  new ViableError("reactor.invalid_definition", `reactor "${reactor}", ${path}: ${reason}.`, {
    next: next ?? "Change the definition; nothing of it was registered.",
    details: { reactor, path, reason },
  });

/** `reactor.unknown`: no definition of that name is registered here. */
export const unknownReactor = (name: string, known: Iterable<string>): ViableError => {
  const near = nearestNames(name, known);
  return new ViableError("reactor.unknown", `There is no reactor "${name}".`, {
    next: near.length === 0 ? "`viable reactors list` shows those that are here." : `Near it are ${near.join(", ")}.`,
  });
};

/** `reactor.invalid_input`: what a run was to begin with does not fit. Nothing was recorded. */
export const invalidInput = (reactor: string, path: string, reason: string): ViableError =>
  new ViableError("reactor.invalid_input", `reactor "${reactor}", ${path}: ${reason}.`, {
    next: "Hand in what the reactor's input schema asks for.",
    details: { reactor, path, reason },
  });

/** `reactor.invalid_input`: what is sent has a name or a key that no step can wait for. Nothing was recorded. */
export const invalidSend = (path: "event" | "key", reason: string): ViableError =>
  new ViableError("reactor.invalid_input", `send, ${path}: ${reason}.`, {
    next: "Name the event that a step waits for, and the step's key.",
    details: { path, reason },
  });

/** `reactor.run_not_found`: no such run, or another tenant's (W11). */
export const runNotFound = (runId: string): ViableError =>
  new ViableError("reactor.run_not_found", `There is no run ${runId}.`, {
    next: "`viable reactors runs` shows the runs.",
  });

/** `reactor.key_taken`: the run that was to begin is not there, since its key stands for one that somebody else began. */
export const keyTaken = (key: string, first: { readonly runId: string; readonly principal: string }): ViableError =>
  new ViableError(
    "reactor.key_taken",
    `The key ${key} stands for the run ${first.runId}, which ${first.principal} began with another input.`,
    { next: "Begin runs under other keys: those that begin so are for schedules and process managers." },
  );

/** `reactor.step_timed_out`: a step did not end in its time. It was told by its signal; what it does now no longer counts. */
export const stepTimedOut = (step: string, timeoutMs: number): ViableError =>
  new ViableError("reactor.step_timed_out", `The step ${step} did not end within ${timeoutMs} ms.`, {
    retryable: true,
    next: "Give it more time (timeoutMs), or let it honour its signal.",
  });

/** `reactor.invalid_result`: what a run comes to cannot be kept exactly. */
export const invalidOutput = (reason: string): ViableError =>
  new ViableError("reactor.invalid_result", `What the run comes to cannot be kept: ${reason}.`, {
    next: "Let it come to plain JSON; keep the bulk in a file or in memory, and let it come to where.",
    details: { reason },
  });

/** `reactor.invalid_result`: a function that may answer a result, or how it goes on, answered something else. */
export const invalidAnswer = (step: string, role: string, reason: string): ViableError =>
  new ViableError("reactor.invalid_result", `The ${role} of the step ${step} answered what it may not: ${reason}.`, {
    next: "Answer one of these; a result stands in an object, as { result: 5 }.",
    details: { step, role, reason },
  });

/** `reactor.invalid_result`: what a step returned cannot be kept exactly. */
export const invalidResult = (step: string, reason: string): ViableError =>
  new ViableError("reactor.invalid_result", `The step ${step} returned what cannot be kept: ${reason}.`, {
    next: "Return plain JSON; keep the bulk in a file or in memory and return where.",
    details: { step, reason },
  });

/** How many places the message of an error tells; its details have up to twenty. */
const maxTold = 5;

/** `reactor.invalid_payload`, `reactor.invalid_result`: what was sent to a step, or what its task came to, is not what its schema asks for. */
export const misshapen = (
  step: string,
  of: "payload" | "result",
  problems: readonly { readonly path: string; readonly reason: string }[],
  count: number,
  retryable: boolean,
): ViableError => {
  const told = problems.slice(0, maxTold).map(({ path, reason }) => `${path}: ${reason}`);
  const rest = count > told.length ? `; and ${count - told.length} more` : "";
  const [code, what, who] =
    of === "payload"
      ? ["reactor.invalid_payload", `The step ${step} was sent`, "Send"]
      : ["reactor.invalid_result", `The task of the step ${step} came to`, "Have the agent answer"];
  return new ViableError(code, `${what} what does not fit: ${told.join("; ")}${rest}.`, {
    retryable,
    next: `${who} what the schema of the step's ${of} asks for, or change that.`,
    details: { step, problems: problems.map(({ path, reason }) => ({ path, reason })) },
  });
};

/** `reactor.wait_timed_out`: what a step waited for did not come in its time. */
export const waitTimedOut = (step: string, what: string): ViableError =>
  new ViableError("reactor.wait_timed_out", `The step ${step} waited for ${what}, which did not come in time.`);

/** `reactor.rejected`: a person said no. */
export const rejected = (step: string, by: string, reason: string | undefined): ViableError =>
  new ViableError(
    "reactor.rejected",
    `${by} rejected what the step ${step} asked for${reason === undefined ? "" : `: ${reason}`}.`,
  );

/** `reactor.repeat_exhausted`: a repeat made all its turns and its condition never held. */
export const repeatExhausted = (step: string, turns: number): ViableError =>
  new ViableError("reactor.repeat_exhausted", `The step ${step} made ${turns} turns, and its condition did not hold.`, {
    next: "Allow more turns (maxTurns), or wait longer between them.",
  });

/** `reactor.no_branch`: no branch of a switch holds, and it has no default. */
export const noBranch = (step: string): ViableError =>
  new ViableError("reactor.no_branch", `No branch of the step ${step} holds, and it has no otherwise.`);

/** `reactor.run_timed_out`: a run did not end by its deadline, and what it had done was undone. */
export const runTimedOut = (reactor: string, deadlineMs: number): ViableError =>
  new ViableError(
    "reactor.run_timed_out",
    `The run of "${reactor}" did not end by ${new Date(deadlineMs).toISOString()}.`,
    {
      next: "Give it more time (timeoutMs).",
    },
  );

/** `reactor.invalid_argument`: a step was called with something that it cannot do with. */
export const invalidStepArgument = (step: string, reason: string): ViableError =>
  new ViableError("reactor.invalid_argument", `The step ${step} cannot be done: ${reason}.`, {
    next: "Hand it what it asks for; a value that may be missing needs a step that says what then.",
  });
