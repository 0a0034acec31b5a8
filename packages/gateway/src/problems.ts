import type { ErrorOnTheWire } from "@viable/kernel";
import { storeNoSpace, storeRefused } from "@viable/log";
import type { FieldProblem, Problem } from "@viable/protocol";
import type { Grant } from "@viable/security";
import type { IntakeOutcome, QueryOutcome, QueryRefusal } from "@viable/swarm";
import { metLimitHeaders } from "./rate-limit-headers.ts";

/** The one table from kinds of refusal to HTTP: codes belong to the rooms, numbers belong to this transport. */
const statusOfKind: Record<(IntakeOutcome & { ok: false })["kind"], number> = {
  unknown: 404,
  invalid: 422,
  denied: 403,
  limited: 429,
  overloaded: 503,
  unavailable: 503,
  mismatch: 422,
  stopping: 503,
};

const statusOfQuery: Record<QueryRefusal, number> = {
  unknown: 404,
  invalid: 422,
  denied: 403,
  overloaded: 503,
  unavailable: 503,
  failed: 500,
  timed_out: 504,
  cancelled: 503,
};

const titles: Record<number, string> = {
  400: "Bad request",
  401: "Not authenticated",
  403: "Denied",
  404: "Not found",
  409: "Conflict",
  413: "Too large",
  415: "Unsupported media type",
  422: "Does not fit",
  426: "Upgrade required",
  429: "Too many requests",
  500: "Internal error",
  503: "Not available",
  504: "Not in time",
};

export interface ProblemParts {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly next?: string;
  readonly retryable?: boolean;
  readonly reasons?: readonly string[];
  readonly errors?: readonly FieldProblem[];
  readonly retryAfterMs?: number;
  /** Sent with it beside those that follow from the rest. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error answer of the gateway's, before it is written. */
export class HttpProblem extends Error {
  readonly parts: ProblemParts;
  constructor(parts: ProblemParts) {
    super(parts.detail);
    this.name = "HttpProblem";
    this.parts = parts;
  }
}

/** A problem (RFC 9457). `type` names the code's entry in the reference; the other texts are for people. */
export function toProblem(parts: ProblemParts): Problem {
  return {
    type: `urn:viable:problem:${parts.code}`,
    title: titles[parts.status] ?? "Error",
    status: parts.status,
    code: parts.code,
    detail: parts.detail,
    ...(parts.next !== undefined && { next: parts.next }),
    retryable: parts.retryable ?? parts.retryAfterMs !== undefined,
    reasons: [...(parts.reasons ?? [])],
    ...(parts.errors !== undefined && { errors: [...parts.errors] }),
  };
}

/** Writes a problem as an answer. */
export function toResponse(parts: ProblemParts): Response {
  const headers = new Headers({ ...parts.headers, "content-type": "application/problem+json" });
  if (parts.retryAfterMs !== undefined)
    headers.set("retry-after", String(Math.max(1, Math.ceil(parts.retryAfterMs / 1_000))));
  if (parts.status === 401) headers.set("www-authenticate", "Bearer");
  return new Response(JSON.stringify(toProblem(parts)), { status: parts.status, headers });
}

/** A refusal of the intake's as a problem, for whoever sent the command with this grant. */
export function ofRefusal(refusal: IntakeOutcome & { ok: false }, grant: Grant): HttpProblem {
  return new HttpProblem({
    status: statusOfKind[refusal.kind],
    code: refusal.code,
    detail: refusal.message,
    reasons: refusal.reasons,
    ...(refusal.errors !== undefined && { errors: refusal.errors }),
    ...(refusal.retryAfterMs !== undefined && { retryAfterMs: refusal.retryAfterMs }),
    headers: metLimitHeaders(refusal, grant),
  });
}

/** A query without an answer. What it failed with is its service's word to whoever asked, as a command's error is. */
export const ofQuery = ({ kind, error, reasons, errors, retryAfterMs }: QueryOutcome & { ok: false }): HttpProblem =>
  new HttpProblem({
    status: statusOfQuery[kind],
    code: error.code,
    detail: error.message,
    reasons,
    retryable: error.retryable,
    ...(error.next !== undefined && { next: error.next }),
    ...(errors !== undefined && { errors }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });

/** An error that a room threw. What a caller can mend or wait for is told; the rest is ours, and its text stays with us. */
export function ofError(error: ErrorOnTheWire): ProblemParts {
  if (error.retryable) {
    return {
      status: 503,
      code: error.code,
      detail: error.message,
      retryAfterMs: 1_000,
      ...(error.next !== undefined && { next: error.next }),
    };
  }
  if (error.code === storeRefused || error.code === storeNoSpace) {
    // Nothing was recorded; the same request may be taken once an operator has helped.
    return {
      status: 503,
      code: error.code,
      detail: error.message,
      retryAfterMs: 5_000,
      ...(error.next !== undefined && { next: error.next }),
    };
  }
  if (error.code === "log.undecodable_event") {
    // Nothing is broken but this release's knowledge, and who asked can be told what it lacks.
    return {
      status: 500,
      code: error.code,
      detail: error.message,
      ...(error.next !== undefined && { next: error.next }),
    };
  }
  if (error.code === "security.not_attenuable") {
    return { status: 403, code: error.code, detail: error.message };
  }
  if (error.code.endsWith(".not_found")) {
    return {
      status: 404,
      code: error.code,
      detail: error.message,
      ...(error.next !== undefined && { next: error.next }),
    };
  }
  if (/\.(invalid[a-z_]*|too_large|unknown_[a-z_]+)$/.test(error.code)) {
    return {
      status: 422,
      code: error.code,
      detail: error.message,
      ...(error.next !== undefined && { next: error.next }),
    };
  }
  return {
    status: 500,
    code: "gateway.internal",
    detail: "Something failed inside. It has been written to the process's own log.",
    next: "Look at the log of the process for this moment; please report it if it looks like a defect.",
  };
}

/** 401 teaches nothing: unknown, expired, revoked and malformed tokens get the same words. */
export const unauthenticated = (): HttpProblem =>
  new HttpProblem({ status: 401, code: "gateway.unauthenticated", detail: "A valid bearer token is needed." });

export const notFound = (what: string): HttpProblem =>
  new HttpProblem({
    status: 404,
    code: "gateway.not_found",
    detail: `There is no such ${what}, or it is not yours to see.`,
  });
