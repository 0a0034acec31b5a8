// Tokens differ, and no more wait than may.
import { expect, test } from "vitest";
import { maxPendingRequests, PendingRequests } from "./pending-requests.ts";

const request = { subject: "a", resolve: () => {}, reject: () => {} };

test("as many wait as may; one more has no place until another has gone", () => {
  const pending = new PendingRequests();
  const tokens = Array.from({ length: maxPendingRequests }, () => pending.add(request));
  expect(new Set(tokens).size).toBe(maxPendingRequests);
  expect(pending.add(request)).toBeUndefined();
  pending.delete(tokens[0] as string);
  expect(pending.add(request)).toBeDefined();
  expect(pending.get(tokens[0] as string)).toBeUndefined();
});

test("all are told, also those that take themselves out meanwhile", () => {
  const pending = new PendingRequests();
  const told: unknown[] = [];
  for (let number = 0; number < 3; number++) {
    const token = pending.add({
      ...request,
      reject: (reason) => {
        told.push(reason);
        pending.delete(token as string);
      },
    });
  }
  pending.rejectAll("lost");
  expect(told).toEqual(["lost", "lost", "lost"]);
});
