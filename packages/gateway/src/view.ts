import type { Context, JsonValue } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import type { Grant } from "@viable/security";
import type { z } from "zod";
import { streamAnswers, streamQuery } from "./openapi/gateway-routes.ts";
import type { Route, RouteDescription } from "./openapi/route.ts";

/**
 * Something to read, mounted under `/v1`. Rooms export views and the composition root hands them over; the gateway
 * authorises, traces and answers, and knows none of them.
 */
export type View = ReadView | EventsView;

/** What a view says of itself, for whoever reads it: see `RouteDescription`. */
export type ViewDescription = Pick<RouteDescription, "operation" | "summary" | "description" | "query" | "problems">;

interface ViewPlace extends ViewDescription {
  /** For reasons and the list of routes: `swarms`. */
  readonly name: string;
  /** Under `/v1`, with `:names` for parts: `/swarms/:service`. */
  readonly path: string;
  /**
   * Who may read it. `tenant`: what is the tenant's as a whole, such as its memory; a session's token is refused. `session`:
   * every token that may read, because it tells what the system can do and how it is, or keeps to `grant.sessionId` by itself.
   * Default `tenant`: a view that says nothing tells a session nothing.
   */
  readonly scope?: ReadScope;
}

/** Answers with JSON. */
export interface ReadView extends ViewPlace {
  /** What the answer is: one of the protocol's schemas. */
  readonly answer: z.ZodType;
  /** The answer, or undefined where there is no such thing (404). */
  read(ctx: Context, request: ViewRequest): Promise<JsonValue | undefined> | JsonValue | undefined;
}

/** Answers with the events of one stream: pages of them by `after` and `limit`, or a live feed up to the last. */
export interface EventsView extends ViewPlace {
  /** The stream, or undefined where there is no such thing (404). It must be the tenant's, and no other's name begin with its: nobody asks again. */
  stream(ctx: Context, request: ViewRequest): Promise<string | undefined> | string | undefined;
  /** Whether an event is the last, where nothing is stored after it. */
  ends(event: StoredEvent): boolean;
}

/** What a read is about: the caller's own session (or what every session may know), or the tenant as a whole. */
export type ReadScope = "session" | "tenant";

export interface ViewRequest {
  readonly grant: Grant;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

/** A view as a route of the gateway's. */
export function viewRoute(view: View): Route {
  const { path, operation, summary, description, query, problems } = view;
  const about = {
    method: "GET",
    path: `/v1${path}`,
    guard: "token",
    operation,
    summary,
    ...(description !== undefined && { description }),
  } as const;
  if ("stream" in view)
    return {
      ...about,
      isFeed: true,
      query: { ...streamQuery, ...query },
      answers: streamAnswers,
      problems: { 400: ["gateway.invalid_position"], ...problems },
    };
  return {
    ...about,
    ...(query !== undefined && { query }),
    ...(problems !== undefined && { problems }),
    answers: { 200: { description: "As it is now.", content: view.answer } },
  };
}

/** A whole number from the query, bounded; the default where it is absent or no number. */
export function queryNumber(
  query: Readonly<Record<string, string>>,
  name: string,
  fallback: number,
  max: number,
): number {
  const value = Number(query[name] ?? fallback);
  return Number.isInteger(value) && value >= 1 ? Math.min(value, max) : fallback;
}
