import type { View } from "@viable/gateway";
import { pageLimit, queryNumber, textParameter } from "@viable/gateway";
import type { Context, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { ServiceSwarms, SwarmHistory, SwarmReportList, SwarmView } from "@viable/protocol";
import { serviceSwarms, swarmHistory, swarmReportList } from "@viable/protocol";
import { isOpenTo } from "@viable/registry/define";

export interface SwarmViewSources {
  /** This process's own: of several that run a service, its swarm is the one that is shown first. */
  readonly processId: string;
  readonly monitor: {
    all(): SwarmReportList;
    history(
      ctx: Context,
      service: string,
      query?: { readonly from?: number | undefined; readonly limit?: number | undefined },
    ): Promise<SwarmHistory | undefined>;
  };
}

/**
 * The reads about swarms, of all processes. How they are is what every session may know, as what they can do, of those that its tenant may use
 * (W11). What they were is for whoever operates the system, and no session's token reads it.
 */
export function swarmViews({ processId, monitor }: SwarmViewSources): View[] {
  return [
    {
      name: "swarms",
      scope: "session",
      path: "/swarms",
      operation: "swarms",
      summary: "Every swarm of every living process",
      answer: swarmReportList,
      read: (ctx) => {
        const all = monitor.all();
        return { ...all, swarms: swarmsFor(ctx.tenant, all.swarms) } satisfies SwarmReportList as unknown as JsonValue;
      },
    },
    {
      name: "swarm",
      scope: "session",
      path: "/swarms/:service",
      operation: "swarm",
      summary: "A service's swarm, in the process that answers where it is there, and all of them",
      answer: serviceSwarms,
      read: (ctx, { params }) => {
        const processes = swarmsFor(ctx.tenant, monitor.all().swarms).filter(
          ({ service }) => service === params.service,
        );
        const first = processes.find((each) => each.processId === processId) ?? processes[0];
        if (first === undefined) return undefined;
        return { ...first, processes } satisfies ServiceSwarms as unknown as JsonValue;
      },
    },
    {
      name: "swarm history",
      path: "/swarms/:service/history",
      operation: "swarmHistory",
      summary: "What a service's swarms were: samples, and the changes of their health, the newest first",
      answer: swarmHistory,
      query: {
        from: textParameter("The number of a change: on from here, downwards. The `next` of the page before."),
        limit: pageLimit(100, 500),
      },
      problems: { 422: ["registry.invalid_query"] },
      read: async (ctx, { params, query }) => {
        const page = { from: toNumber(query.from), limit: queryNumber(query, "limit", 100, 500) };
        return (await monitor.history(ctx, params.service ?? "", page)) as unknown as JsonValue | undefined;
      },
    },
  ];
}

/** The swarms that a tenant may know of, as it is told of them: without who else may (W11). */
export const swarmsFor = <View extends SwarmView>(tenant: string, views: readonly View[]): View[] =>
  views
    .filter((view) => isOpenTo(view, tenant))
    .map((view) => (view.tenants === undefined ? view : { ...view, tenants: [tenant] }));

function toNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new ViableError("registry.invalid_query", `"${text}" is no number of a change.`, {
    next: "Give what the page before says in `next`.",
  });
}
