// What an error of a room becomes as an answer: what may be asked again says when, and no text of a defect gets out.
import { storeNoSpace, storeRefused } from "@viable/log";
import { expect, test } from "vitest";
import { ofError } from "./problems.ts";

test.each([storeNoSpace, storeRefused])("%s is an answer to come back to, with what to do about it", (code) => {
  const error = { code, message: "The database's disk is full.", next: "Make room.", retryable: false };
  expect(ofError(error)).toEqual({
    status: 503,
    code,
    detail: "The database's disk is full.",
    retryAfterMs: 5_000,
    next: "Make room.",
  });
});

test.each([
  [404, "reactor.not_found"],
  [422, "reactor.invalid_input"],
])("what a caller can mend is told with what to do: %s for %s", (status, code) => {
  const error = { code, message: "There is no run x.", next: "Lists tell which there are.", retryable: false };
  expect(ofError(error)).toEqual({ status, code, detail: error.message, next: error.next });
});

test("a defect is told without its text", () => {
  const problem = ofError({ code: "internal", message: "secret is not a function", retryable: false });
  expect(problem.status).toBe(500);
  expect(JSON.stringify(problem)).not.toContain("secret");
});

test("an event that this release cannot read is named, with what would read it", () => {
  const error = {
    code: "log.undecodable_event",
    message: "Event 7 cannot be read.",
    next: "Upgrade.",
    retryable: false,
  };
  expect(ofError(error)).toEqual({ status: 500, code: error.code, detail: error.message, next: error.next });
});
