/** That the check of exchanges finds what a description is wrong about: each kind of lie, told once. */
import type { Route } from "@viable/gateway";
import { describeRoutes, pageLimit } from "@viable/gateway";
import { joinSession, readiness, sessionJoined, sessionList, sessionView } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import type { Exchange } from "./check-exchange.ts";
import { createExchangeCheck } from "./check-exchange.ts";

const answers = (content: Answered) => ({ 200: { description: "It.", content } });
type Answered = typeof readiness | typeof sessionList | typeof sessionView | typeof sessionJoined;
const routes: Route[] = [
  { method: "GET", path: "/ready", guard: "open", operation: "ready", summary: "Ready?", answers: answers(readiness) },
  {
    method: "GET",
    path: "/v1/sessions",
    guard: "token",
    operation: "sessions",
    summary: "All.",
    query: { limit: pageLimit(50, 500) },
    answers: answers(sessionList),
  },
  {
    method: "GET",
    path: "/v1/sessions/:id",
    guard: "token",
    operation: "session",
    summary: "One.",
    answers: answers(sessionView),
  },
  {
    method: "POST",
    path: "/v1/sessions/join",
    guard: "open",
    operation: "join",
    summary: "Joins.",
    body: joinSession,
    answers: answers(sessionJoined),
  },
];
const document = describeRoutes(routes, {
  title: "little",
  version: "0.0.0",
  offers: { commands: [], queries: [] },
});
const check = createExchangeCheck(document);
const json = new Headers({ "content-type": "application/json" });
const problem = new Headers({ "content-type": "application/problem+json" });
const exchange = (more: Partial<Exchange>): Exchange => ({
  method: "GET",
  url: "http://x/ready",
  status: 200,
  headers: json,
  answer: { ready: true },
  ...more,
});
const refusal = (status: number, code: string) => ({
  type: "urn:x",
  title: "t",
  status,
  code,
  detail: "d",
  retryable: false,
  reasons: [],
});

test("has nothing to say where a description is right", () => {
  expect(check(exchange({}))).toEqual([]);
  expect(check(exchange({ url: "http://x/v1/sessions?limit=5", answer: { sessions: [] } }))).toEqual([]);
  const answer = refusal(404, "gateway.not_found");
  expect(check(exchange({ url: "http://x/v1/sessions/ses_1", status: 404, headers: problem, answer }))).toEqual([]);
});

describe("complains of", () => {
  test.each<[string, Partial<Exchange>, RegExp]>([
    ["a route that is not described", { url: "http://x/v1/nothing" }, /no such operation/],
    ["a status that is not described", { status: 201 }, /no such status/],
    [
      "another type of content",
      { headers: new Headers({ "content-type": "text/html" }), answer: undefined },
      /text\/html/,
    ],
    ["a member of another type", { answer: { ready: "yes" } }, /must be boolean/],
    ["a member that is missing", { answer: {} }, /required property 'ready'/],
    ["a member that is not described", { answer: { ready: true, more: 1 } }, /additional properties/],
    ["a parameter that is not described", { url: "http://x/ready?deep=1" }, /\?deep/],
    ["a body that is not described", { request: {} }, /body/],
    [
      "a body that is taken though it does not fit",
      { method: "POST", url: "http://x/v1/sessions/join", request: { tokken: "x" } },
      /the body: /,
    ],
    [
      "a code that is not described",
      { url: "http://x/v1/sessions/x", status: 404, headers: problem, answer: refusal(404, "gateway.lost") },
      /gateway\.lost/,
    ],
  ])("%s", (_what, more, complaint) => {
    expect(check(exchange(more)).join("\n")).toMatch(complaint);
  });
});
