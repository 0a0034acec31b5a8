import type { Client } from "@viable/client";
import type { JsonObject, JsonValue } from "@viable/kernel";
import type { ExecutionView, ReactorList, RunStatus, RunSummary, RunView, RunWaitView } from "@viable/protocol";
import { runStatus } from "@viable/protocol";
import type { Command } from "commander";
import { Option } from "commander";
import { renderEvent, widthOf } from "./events.ts";
import { printOutcome } from "./exec.ts";
import { exitStatus, interrupted, notFound, wrongUsage } from "./exit-status.ts";
import { followRun } from "./follow-run.ts";
import { formatDuration } from "./format-duration.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import { lookUp } from "./look-up.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, printItem, renderJson } from "./output.ts";
import { toPlainLine } from "./plain-text.ts";
import { printWireError } from "./print-error.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { renderPairs, renderTable } from "./table.ts";
import { failedStep, tellCause, tellError } from "./tell-error.ts";
import { toWholeNumber } from "./whole-number.ts";

type Options = GatewayOptions & OutputOptions;

interface RunsOptions extends Options {
  readonly reactor?: string;
  readonly status?: RunStatus;
  readonly limit: string;
  readonly before?: string;
}

interface StartOptions extends Options {
  readonly input: string;
  readonly key?: string;
  readonly wait?: boolean;
}

interface ResumeOptions extends Options {
  readonly decision: string;
  readonly result?: string;
  readonly reason?: string;
  readonly step?: string;
  readonly reviewVersion?: string;
}

const exampleRun = "run_01jd8q5k3v7x2m9c4h6t8w0y1z";
/** The verb that shows what runs there are. */
const listingRuns = "reactors runs";
const defaultReason = "asked on the command line";

/** `viable reactors`: sagas, their runs, and orders to these. */
export function addReactors(program: Command, shell: Shell): void {
  const reactors = program
    .command("reactors")
    .description("sagas: what there are, their runs, and orders to these")
    .addHelpText("after", "\nExample:\n  $ viable reactors runs --status waiting");
  const add = (words: string, description: string, example: string, preset?: OutputOptions["output"]): Command => {
    const command = reactors
      .command(words)
      .description(description)
      .addHelpText("after", `\nExample:\n  $ viable reactors ${example}`);
    addGatewayOptions(command);
    return addOutputOption(command, preset);
  };

  add("list", "every reactor with how many of its runs are open, and the schedules", "list --output json").action(
    async (options: Options) => {
      const answer = await connect(shell, options).reactors();
      printData(shell, options.output, answer, () => renderReactors(shell, answer));
    },
  );

  add("graph <reactor>", "a reactor's steps as a graph that Mermaid draws", "graph transfer > transfer.mmd").action(
    async (name: string, options: Options) => {
      const found = (await connect(shell, options).reactors({ graph: "mermaid" })).reactors;
      const drawn = found.find((each) => each.name === name)?.graph;
      if (drawn === undefined)
        throw notFound(
          `There is no reactor "${name}".`,
          `There are ${found.map((each) => each.name).join(", ") || "none"}.`,
        );
      printData(shell, options.output, { name, graph: drawn }, () => (drawn.endsWith("\n") ? drawn : `${drawn}\n`));
    },
  );

  add("runs", "runs, newest first", "runs --reactor transfer --status needs_review")
    .option("--reactor <name>", "only of this reactor")
    .addOption(new Option("--status <status>", "only those that stand so").choices(runStatus.options))
    .option("--limit <count>", "how many, at most 500", "20")
    .option("--before <position>", "older than the page that ended here")
    .action(async ({ reactor, status, limit, before, ...options }: RunsOptions) => {
      const page = await connect(shell, options).runs({
        limit: toWholeNumber("--limit", limit, 1, 500),
        ...(reactor !== undefined && { reactor }),
        ...(status !== undefined && { status }),
        ...(before !== undefined && { before }),
      });
      printData(shell, options.output, page, () => renderRuns(shell, page.runs));
      // In the other formats they stand in the page.
      if (options.output !== "table") return;
      for (const { runId, undecodable } of page.undecodable ?? [])
        shell.err.write(`${runId} cannot be read: ${toPlainLine(undecodable)}\n`);
      if (page.next !== undefined) shell.err.write(`There may be older ones: --before ${page.next}\n`);
    });

  add("show <run>", "one run: how it stands, and each step with what it took", `show ${exampleRun}`).action(
    async (id: string, options: Options) => {
      const view = await findRun(connect(shell, options), id);
      printData(shell, options.output, view, () => renderRun(shell, view));
    },
  );

  add(
    "watch <run>",
    "a run's events as they come, up to its end; Ctrl-C ends the watching, not the run",
    `watch ${exampleRun}`,
  ).action(async (id: string, options: Options) => {
    const client = connect(shell, options);
    const followed = followRun(shell.runtime, client, {
      runId: id,
      signal: shell.catchInterrupt(),
      onEvent: (event) => printItem(shell, options.output, event, () => renderEvent(event, widthOf(shell))),
      onNeeded: (line) => shell.err.write(`${line}\n`),
    });
    const how = await lookUp(followed, listingRuns);
    if (how === "interrupted") throw interrupted(`${id} goes on.`);
    failUnlessCompleted(shell, await client.run(id));
  });

  add(
    "start <reactor>",
    "begin a run (the command reactor.start)",
    `start transfer --input '{"from": "ada", "to": "bob", "amount": 3}' --wait`,
  )
    .option("--input <json>", "its input", "{}")
    .option("--key <key>", "another start under the same key finds this run")
    .option(
      "--wait",
      "print its result when it has ended; ends with 5 where nothing is known to go on without a person",
    )
    .action(async (reactor: string, { input, key, wait, ...options }: StartOptions) => {
      const client = connect(shell, options);
      const args: JsonObject = { reactor, input: parseJson("--input", input), ...(key !== undefined && { key }) };
      const started = await runCommand(shell, client, { command: "reactor.start", args });
      if (wait === true && started.status === "completed")
        await printWhenEnded(shell, client, (started.result as { runId: string }).runId, options);
      else printOutcome(shell, options, started);
    });

  add(
    "resume <run>",
    "say how a run goes on that needs a person (reactor.resume)",
    `resume ${exampleRun} --decision done`,
  )
    .addOption(
      new Option("--decision <decision>", "do it again, take it as done, or take it as failed (of an undo: leave it)")
        .choices(["retry", "done", "failed"])
        .makeOptionMandatory(),
    )
    .option("--result <json>", "what the step came to, where it is taken as done")
    .option("--reason <text>", "why; kept with who said so")
    .option("--step <step>", "only if it asks about this step, as `reactors show` says")
    .option(
      "--review-version <version>",
      "only if it asks by this event, as `reactors show` says; else what it asks now is said, and answered",
    )
    .action(async (runId: string, { decision, result, reason, step, reviewVersion, ...options }: ResumeOptions) => {
      const version =
        reviewVersion === undefined
          ? await sayWhatIsAsked(shell, connect(shell, options), runId)
          : toWholeNumber("--review-version", reviewVersion, 1, Number.MAX_SAFE_INTEGER);
      await order(shell, "reactor.resume", options, {
        runId,
        decision,
        ...(version !== undefined && { reviewVersion: version }),
        ...(result !== undefined && { result: parseJson("--result", result) }),
        ...(reason !== undefined && { reason }),
        ...(step !== undefined && { step }),
      });
    });

  for (const [verb, what] of [
    ["undo", "undo a run that has completed, where its reactor is reversible (reactor.undo)"],
    ["cancel", "end a run that has not ended, and undo what it did (reactor.cancel)"],
  ] as const)
    add(`${verb} <run>`, what, `${verb} ${exampleRun} --reason "ordered twice"`)
      .option("--reason <text>", "why; kept with who said so", defaultReason)
      .action(async (runId: string, { reason, ...options }: Options & { reason: string }) => {
        await order(shell, `reactor.${verb}`, options, { runId, reason });
      });

  add(
    "fork <run>",
    "repeat a run that has ended, from one of its outermost steps on (reactor.fork)",
    `fork ${exampleRun} --from deposit --input '{"from": "ada", "to": "eve", "amount": 3}'`,
  )
    .requiredOption("--from <step>", "the step that is done again, with all that comes after it")
    .option("--input <json>", "another input; else the run's own")
    .action(async (runId: string, { from, input, ...options }: Options & { from: string; input?: string }) => {
      await order(shell, "reactor.fork", options, {
        runId,
        from,
        ...(input !== undefined && { input: parseJson("--input", input) }),
      });
    });

  add(
    "send <event> <key>",
    "hand something over to the runs that wait for it (reactor.send)",
    `send paid order-7 --payload '{"amount": 30}'`,
  )
    .option("--payload <json>", "what they are given", "null")
    .option("--id <id>", "a second send under the same id is the first")
    .action(
      async (event: string, key: string, { payload, id, ...options }: Options & { payload: string; id?: string }) => {
        await order(shell, "reactor.send", options, {
          event,
          key,
          payload: parseJson("--payload", payload),
          ...(id !== undefined && { id }),
        });
      },
    );
}

async function order(shell: Shell, command: string, options: Options, args: JsonObject): Promise<void> {
  const view: ExecutionView = await runCommand(shell, connect(shell, options), { command, args });
  printOutcome(shell, options, view);
}

/** A run that a person has named. */
const findRun = (client: Client, id: string): Promise<RunView> => lookUp(client.run(id), listingRuns);

/** Says what a run asks a person, and answers by which of its events; undefined where it asks nothing. */
async function sayWhatIsAsked(shell: Shell, client: Client, runId: string): Promise<number | undefined> {
  const { review } = await findRun(client, runId);
  if (review !== undefined) shell.err.write(`${runId} asks about ${toPlainLine(renderReview(review))}\n`);
  return review?.version;
}

function parseJson(option: string, text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw wrongUsage(`${option} does not parse: ${error instanceof Error ? error.message : error}.`);
  }
}

/** Follows a run that was begun to its end, or until nothing is known to go on in it without a person. */
async function printWhenEnded(shell: Shell, client: Client, id: string, options: Options): Promise<void> {
  shell.err.write(`${id} has begun.\n`);
  const how = await followRun(shell.runtime, client, {
    runId: id,
    signal: shell.catchInterrupt(),
    untilNeeded: true,
    onNeeded: (line) => shell.err.write(`${line}\n`),
  });
  if (how === "interrupted") throw interrupted(`${id} goes on. Follow it with: viable reactors watch ${id}`);
  if (how === "needs_person") {
    shell.exitStatus = exitStatus.waitsForPerson;
    return;
  }
  const view = await client.run(id);
  if (view.status === "completed") {
    const result = view.result ?? null;
    printData(shell, options.output, result, () => renderJson(shell, result));
  }
  failUnlessCompleted(shell, view);
}

function failUnlessCompleted(shell: Shell, view: RunView): void {
  const { runId, status, error } = view;
  if (status === "completed") return;
  const said = error ?? { code: "internal", message: `It ended as ${status}.`, retryable: false };
  const step = failedStep(view);
  const why = step === undefined ? "" : `, since ${step} failed`;
  const next = said.next ?? `Look at its steps: viable reactors show ${runId}`;
  printWireError(shell.err, { ...said, message: `${runId} is ${status}${why}: ${said.message}`, next });
  shell.exitStatus = exitStatus.failed;
}

function renderReactors(shell: Shell, { reactors, schedules = [] }: ReactorList): string {
  const table = renderTable(
    shell.out,
    ["REACTOR", "VERSION", "HASH", "STEPS", "OPEN", "ABOUT"],
    reactors.map(({ name, versions, hash, steps, openRuns, description }) => [
      name,
      versions.map(({ version }) => version).join(", "),
      hash,
      String(steps),
      String(openRuns),
      description,
    ]),
  );
  if (schedules.length === 0) return table;
  const planned = renderTable(
    shell.out,
    ["SCHEDULE", "BEGINS", "WHEN", "TIME ZONE", "NEXT", "LAST", "WHY NOT"],
    schedules.map(({ name, reactor, cron, timeZone, nextAt, last, failure }) => [
      name,
      reactor,
      cron,
      timeZone,
      nextAt ?? "",
      last === undefined ? "" : `${last.plannedAt} (${last.runId})`,
      failure?.message ?? "",
    ]),
  );
  return `${table}\n${planned}`;
}

function renderRuns(shell: Shell, runs: readonly RunSummary[]): string {
  const nowMs = shell.runtime.clock.now();
  return renderTable(
    shell.out,
    ["RUN", "REACTOR", "STATUS", "WAITS FOR", "TOOK", "BEGAN", "WHY"],
    runs.map((run) => [
      run.runId,
      run.reactor,
      run.status,
      run.waitsFor.map(({ step, wait }) => `${step}: ${renderWait(wait)}`).join("; "),
      formatDuration((run.endedAt === undefined ? nowMs : Date.parse(run.endedAt)) - Date.parse(run.startedAt)),
      `${formatDuration(nowMs - Date.parse(run.startedAt))} ago`,
      run.error?.message ?? "",
    ]),
  );
}

function renderWait(wait: RunWaitView): string {
  const until = "untilAt" in wait && wait.untilAt !== undefined ? ` until ${wait.untilAt}` : "";
  switch (wait.for) {
    case "time":
      return `time${until}`;
    case "event":
      return `event ${wait.event} of ${wait.key}${until}`;
    case "approval":
      return `approval ${wait.approvalId} (${wait.title})${until}`;
    case "run":
      return wait.runId;
  }
}

/** A run for people: what it is, how it stands, its steps as a table, and what it came to. */
function renderRun(shell: Shell, view: RunView): string {
  const {
    steps,
    counts,
    input,
    result,
    error,
    claim,
    parent,
    forkedFrom,
    review,
    cause,
    waitsFor: _,
    moreSteps,
    ...rest
  } = view;
  const stepOf = (of: { runId: string; step: string }) => `${of.step} of ${of.runId}`;
  const pairs = Object.entries(rest).map(([name, value]): [string, string] => [name, String(value)]);
  if (parent !== undefined) pairs.push(["parent", stepOf(parent)]);
  if (forkedFrom !== undefined) pairs.push(["forkedFrom", stepOf(forkedFrom)]);
  if (claim !== undefined) pairs.push(["claim", `${claim.processId}, epoch ${claim.epoch}, attempt ${claim.attempt}`]);
  if (review !== undefined) pairs.push(["review", renderReview(review)]);
  if (cause !== undefined) pairs.push(["undone for", tellCause(cause)]);
  pairs.push([
    "steps",
    Object.entries(counts)
      .map(([status, count]) => `${count} ${status}`)
      .join(", ") || "none heard of",
  ]);
  pairs.push(["input", JSON.stringify(input)]);
  if (error !== undefined) pairs.push(["error", tellError(error)]);
  if (error?.next !== undefined) pairs.push(["next", error.next]);
  const nowMs = shell.runtime.clock.now();
  const table = renderTable(
    shell.out,
    ["STEP", "STATUS", "TRIES", "TOOK", "BEGAN", "WHAT"],
    steps.map((step) => [
      step.step,
      step.status,
      String(step.attempts),
      formatDuration(
        step.ms ?? (step.endedAt === undefined ? nowMs : Date.parse(step.endedAt)) - Date.parse(step.startedAt),
      ),
      step.startedAt,
      whatOf(step),
    ]),
  );
  const more = moreSteps === 0 ? "" : `${moreSteps} more steps are not shown; their events have them.\n`;
  const came = result === undefined ? "" : `\n${renderJson(shell, result)}`;
  return `${renderPairs(shell.out, pairs)}${steps.length === 0 ? "" : `\n${table}`}${more}${came}`;
}

const renderReview = ({ step, during, version, reason, error }: NonNullable<RunView["review"]>): string =>
  `${step} (${during}) by its event ${version}: ${reason}${error === undefined ? "" : `: ${tellError(error)}`}`;

function whatOf({
  waitsFor,
  error,
  undo,
  branch,
  turn,
  by,
  result,
  isResultOmitted,
  retryAt,
  runId,
}: RunView["steps"][number]): string {
  return [
    ...(waitsFor === undefined ? [] : [renderWait(waitsFor)]),
    ...(retryAt === undefined ? [] : [`again at ${retryAt}`]),
    ...(branch === undefined ? [] : [branch]),
    ...(turn === undefined ? [] : [`turn ${turn}`]),
    ...(by === undefined ? [] : [`by ${by}`]),
    ...(error === undefined ? [] : [tellError(error)]),
    ...(undo === undefined ? [] : [`undo failed ${timesOf(undo.attempts)}: ${tellError(undo.error)}`]),
    ...(isResultOmitted === true ? ["a large result"] : []),
    ...(result === undefined || result === null ? [] : [JSON.stringify(result)]),
    // As long as it waits for it that is said.
    ...(runId === undefined || waitsFor !== undefined ? [] : [runId]),
  ].join("; ");
}

const timesOf = (count: number): string => (count === 1 ? "once" : `${count} times`);
