// Scripts decide on the exit status alone, so each kind of error has its own and keeps it.
import { GatewayProblem } from "@viable/client";
import { ViableError } from "@viable/kernel";
import { expect, test } from "vitest";
import { exitStatusOf, interrupted, notFound, wrongUsage } from "./exit-status.ts";

const problem = (status: number) =>
  new GatewayProblem({ type: "t", title: "t", status, code: "c", detail: "d", retryable: false, reasons: [] });

test.each([
  [wrongUsage("wrong"), 2],
  [new ViableError("config.invalid", "broken"), 2],
  [new ViableError("config.not_found", "gone"), 2],
  [problem(400), 2],
  [problem(422), 2],
  [problem(401), 3],
  [problem(403), 3],
  [problem(429), 3],
  [problem(503), 3],
  [new ViableError("client.unreachable", "nobody"), 4],
  [new ViableError("client.unexpected_answer", "somebody else"), 4],
  [new ViableError("cli.not_running", "off"), 4],
  [interrupted("stopped"), 130],
  // What was to be shown is not there, whether the gateway says so or the command line finds out.
  [problem(404), 1],
  [notFound("gone", "look elsewhere"), 1],
  [problem(500), 1],
  [new ViableError("gateway.port_in_use", "taken"), 1],
  [new Error("anything"), 1],
  ["not even an error", 1],
] as [unknown, number][])("%s ends with %i", (error, status) => {
  expect(exitStatusOf(error)).toBe(status);
});
