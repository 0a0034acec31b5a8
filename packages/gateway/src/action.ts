import type { Context, JsonObject } from "@viable/kernel";
import type { z } from "zod";
import type { Route, RouteDescription } from "./openapi/route.ts";
import type { Authenticated } from "./receive.ts";

/** What a transport brings of a request. */
export interface ActionRequest {
  readonly params: Readonly<Record<string, string>>;
  /** Where it comes from: the socket's other end, or what a trusted proxy says; `unknown` where it came by no socket. */
  readonly address: string;
  /** Read when it is asked for: at most a mebibyte of JSON, or it throws. */
  body(): Promise<unknown>;
}

export interface ActionAnswer {
  readonly status: 200 | 201;
  readonly body: JsonObject;
}

interface ActionPlace extends Pick<RouteDescription, "operation" | "summary" | "description" | "body" | "problems"> {
  readonly method: "POST" | "PUT" | "DELETE";
  /** Below `/v1`, with `:name` for parts. */
  readonly path: string;
  /** What it answers with, and with which status. */
  readonly answers: Readonly<Partial<Record<ActionAnswer["status"], z.ZodType>>>;
}

/** For whoever has a valid token; what more they need, the action asks. */
interface GuardedAction extends ActionPlace {
  readonly isOpen?: undefined;
  perform(caller: Authenticated, request: ActionRequest): Promise<ActionAnswer>;
}

/** For whoever comes, without a token: it must limit them by itself, before all else. */
interface OpenAction extends ActionPlace {
  readonly isOpen: true;
  perform(ctx: Context, request: ActionRequest): Promise<ActionAnswer>;
}

/**
 * A change that is no command, since what a command is given and answers is recorded, and this has a secret in it. What it changes is told by events of its own;
 * its answers are kept by no cache.
 */
export type Action = GuardedAction | OpenAction;

/** An action as a route of the gateway's. */
export function actionRoute({
  method,
  path,
  isOpen,
  operation,
  summary,
  description,
  body,
  problems,
  answers,
}: Action): Route {
  return {
    method,
    path: `/v1${path}`,
    guard: isOpen === true ? "open" : "token",
    operation,
    summary,
    ...(description !== undefined && { description }),
    ...(body !== undefined && { body }),
    ...(problems !== undefined && { problems }),
    answers: Object.fromEntries(
      Object.entries(answers).map(([status, content]) => [status, { description: "Done.", content }]),
    ),
  };
}
