import type { Context } from "hono";
import type { z } from "zod";

/** Who is answered. `token`: whoever shows a valid token, as far as it allows. `open`: anybody. `local`: anybody on this machine, else as `token`. */
export type RouteGuard = "token" | "open" | "local";

/** A parameter in the query. What does not fit is refused, or passed over where its description says so. */
export interface QueryParameter {
  readonly description: string;
  readonly schema: {
    readonly type: "string" | "integer";
    readonly minimum?: number;
    readonly maximum?: number;
    readonly default?: number | string;
    readonly enum?: readonly string[];
  };
}

/**
 * What an answer's body is: JSON of a schema, JSON that is described elsewhere, or text, with the schema of each piece of JSON in it where
 * there is one.
 */
export type Content = z.ZodType | { readonly json: string } | { readonly text: string; readonly data?: z.ZodType };

/** An answer that is no problem. */
export interface Answer {
  readonly description: string;
  /** By media type; JSON where a schema stands alone. Absent where there is no body. */
  readonly content?: z.ZodType | Readonly<Record<string, Content>>;
  /** Headers beside those that every answer may have, and what they say. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a route says of itself, for whoever calls it. It is mounted with this, so there is none without. */
export interface RouteDescription {
  /** What generated clients call it; as the typed client does, where that has it. */
  readonly operation: string;
  /** One line. */
  readonly summary: string;
  readonly description?: string;
  readonly query?: Readonly<Record<string, QueryParameter>>;
  readonly body?: z.ZodType;
  /** Whether it heeds an `Idempotency-Key`. */
  readonly isRepeatable?: true;
  /** Whether it may be asked for as server-sent events, which `Last-Event-ID` resumes. */
  readonly isFeed?: true;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Codes of problems by status, beside those that follow from the guard, the body and the rest of the description. */
  readonly problems?: Readonly<Record<number, readonly string[]>>;
}

/** A route of the gateway's. */
export interface Route<Path extends string = string> extends RouteDescription {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `:names` for parts: `/v1/sessions/:id`. */
  readonly path: Path;
  readonly guard: RouteGuard;
  /** A part of a page, which nobody calls by itself: it is not in the description. */
  readonly isAsset?: true;
}

/** Mounts a route. There is no other way to, so that what the gateway answers to is what it describes. */
export type Mount = <Path extends string>(
  route: Route<Path>,
  // biome-ignore lint/suspicious/noExplicitAny: as Hono's own handlers have it.
  handle: (c: Context<any, Path>) => Response | Promise<Response>,
) => void;

/** How many at most: what is no whole number from 1 on is taken for the default, and more than the maximum for that. */
export const pageLimit = (fallback: number, max: number): QueryParameter => ({
  description: `How many at most. More is taken for ${max}, and what is no whole number from 1 on for ${fallback}.`,
  schema: { type: "integer", minimum: 1, maximum: max, default: fallback },
});

/** A position, or any other text that an answer before gave. */
export const textParameter = (description: string): QueryParameter => ({ description, schema: { type: "string" } });

export const choiceParameter = (description: string, options: readonly string[]): QueryParameter => ({
  description,
  schema: { type: "string", enum: options },
});

/** Pages, the newest first. */
export const newestFirst = (fallback: number, max: number) => ({
  limit: pageLimit(fallback, max),
  before: textParameter("The `next` of the page before."),
});

/** Where a list goes on. */
export const afterLast = (fallback: number, max: number) => ({
  limit: pageLimit(fallback, max),
  after: textParameter("The `next` of the page before."),
});
