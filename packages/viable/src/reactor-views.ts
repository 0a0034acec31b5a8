import type { View } from "@viable/gateway";
import { afterLast, choiceParameter, newestFirst, queryNumber, textParameter } from "@viable/gateway";
import type { Context } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log, Position } from "@viable/log";
import { isPosition } from "@viable/log";
import type { RunStatus, ScheduleView } from "@viable/protocol";
import { approvalList, reactorList, runPage, runStatus, runView } from "@viable/protocol";
import type { Reactors, ScheduleStatus, Schedules } from "@viable/reactors";
import { endsRun, listApprovals, listRuns, originOfRun, readRunView, runStream, toMermaid } from "@viable/reactors";
import { describeReactors } from "@viable/reactors/define";
import type { Grant } from "@viable/security";
import type { Executions } from "@viable/swarm";
import { commandApprovals } from "./command-approvals.ts";

export interface ReactorViewSources {
  readonly log: Log;
  readonly reactors: Reactors;
  readonly schedules: Schedules;
  readonly executions: Pick<Executions, "open">;
}

/**
 * The reads about reactors, their schedules and runs, and about approvals, also those that commands wait for. What reactors there are is what the system can do; of runs a session's token
 * sees those that the session began, and what they are composed of.
 */
export function reactorViews({ log, reactors, schedules, executions }: ReactorViewSources): View[] {
  const find = async (ctx: Context, { sessionId }: Grant, id = ""): Promise<string | undefined> => {
    const origin = await originOfRun(ctx, log, id);
    return origin !== undefined && (sessionId === undefined || origin.session === sessionId) ? id : undefined;
  };
  return [
    {
      name: "reactors",
      scope: "session",
      path: "/reactors",
      operation: "reactors",
      summary: "The reactors that runs can be begun of, and the schedules that begin some",
      answer: reactorList,
      query: { graph: choiceParameter("Draws each.", ["mermaid"]) },
      problems: { 422: ["reactor.invalid_graph"] },
      read: async (ctx, { grant, query }) => {
        const { graph } = query;
        if (graph !== undefined && graph !== "mermaid")
          throw new ViableError("reactor.invalid_graph", `"${graph}" is no way to draw a reactor.`, {
            next: "Ask for graph=mermaid.",
          });
        const { definitions } = reactors;
        const described = describeReactors(definitions, reactors.openCounts(ctx));
        const draw = (hash: string) => {
          const definition = definitions.find((each) => each.hash === hash);
          return definition === undefined ? {} : { graph: toMermaid(definition) };
        };
        // What they do, and what they fail with, is the tenant's as a whole.
        const planned = grant.sessionId === undefined ? await schedules.status(ctx) : [];
        const own = planned.filter(({ tenant }) => tenant === ctx.tenant);
        return {
          reactors: described.map((each) => ({ ...each, ...(graph !== undefined && draw(each.hash)) })),
          ...(own.length > 0 && { schedules: own.map(toScheduleView) }),
        };
      },
    },
    {
      name: "runs",
      scope: "session",
      path: "/reactors/runs",
      operation: "runs",
      summary: "Runs, the newest first; for a session's token its session's",
      answer: runPage,
      query: {
        ...newestFirst(50, 500),
        reactor: textParameter("Of this reactor alone."),
        status: choiceParameter("Of this status alone.", runStatus.options),
        session: textParameter("Of this session alone."),
      },
      problems: { 422: ["reactor.invalid_position", "reactor.invalid_status"] },
      read: async (ctx, { grant, query }) => {
        const { reactor } = query;
        const before = toPosition(query.before);
        const session = grant.sessionId ?? query.session;
        return await listRuns(ctx, log, {
          limit: queryNumber(query, "limit", 50, 500),
          ...(before !== undefined && { before }),
          ...(reactor !== undefined && { reactor }),
          ...(query.status !== undefined && { status: toStatus(query.status) }),
          ...(session !== undefined && { session }),
        });
      },
    },
    {
      name: "run",
      scope: "session",
      path: "/reactors/runs/:id",
      operation: "run",
      summary: "Where a run stands, step by step",
      answer: runView,
      read: async (ctx, { grant, params }) => {
        const id = await find(ctx, grant, params.id);
        return id === undefined ? undefined : await readRunView(ctx, log, id);
      },
    },
    {
      name: "run events",
      scope: "session",
      path: "/reactors/runs/:id/events",
      operation: "runEvents",
      summary: "A run's events, in pages or as they come",
      stream: async (ctx, { grant, params }) => {
        const id = await find(ctx, grant, params.id);
        return id === undefined ? undefined : runStream(id);
      },
      ends: endsRun,
    },
    {
      name: "approvals",
      scope: "session",
      path: "/approvals",
      operation: "approvals",
      summary: "What persons are asked for; for a session's token by its session's runs",
      answer: approvalList,
      query: afterLast(100, 500),
      problems: { 422: ["reactor.invalid_position"] },
      read: async (ctx, { grant, query }) => {
        const after = toPosition(query.after);
        const options = { limit: queryNumber(query, "limit", 100, 500), after, session: grant.sessionId };
        return await listApprovals(
          ctx,
          log,
          reactors.approvals(ctx),
          options,
          commandApprovals(executions, ctx.tenant),
        );
      },
    },
  ];
}

function toPosition(text: string | undefined): Position | undefined {
  if (text === undefined || isPosition(text)) return text;
  throw new ViableError("reactor.invalid_position", `"${text}" is not a position of this log.`);
}

function toScheduleView({ name, reactor, cron, timeZone, next, last, failure }: ScheduleStatus): ScheduleView {
  return {
    name,
    reactor,
    cron,
    timeZone,
    ...(next !== undefined && { nextAt: new Date(next).toISOString() }),
    ...(last !== undefined && { last: { plannedAt: new Date(last.planned).toISOString(), runId: last.runId } }),
    ...(failure !== undefined && { failure }),
  };
}

function toStatus(text: string): RunStatus {
  const parsed = runStatus.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new ViableError("reactor.invalid_status", `"${text}" is no status of a run.`, {
    next: `There are ${runStatus.options.join(", ")}.`,
  });
}
