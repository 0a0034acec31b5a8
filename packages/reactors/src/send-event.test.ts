// That what no step can wait for is refused where it is sent, with what to do.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { maxResultChars } from "./run-bounds.ts";
import { testReactor } from "./testing/test-reactor.ts";

const waits = (event: string) =>
  reactor("waits", { input: z.unknown() }, (steps) =>
    steps.waitFor("w", { event }).returns(({ results }) => results.w),
  );
const rule = "must be words joined by dots, as payment.received, of at most 100 characters";
const longest = "e".repeat(100);

test.for<[string, string, string, string]>([
  ["an event of two words", "an event", "k", `send, event: ${rule}.`],
  ["an event of 101 characters", `${longest}e`, "k", `send, event: ${rule}.`],
  ["no key", "paid", "", "send, key: must be 1 to 200 characters."],
  ["a key of 201 characters", "paid", "k".repeat(201), "send, key: must be 1 to 200 characters."],
])("%s", async ([, event, key, message]) => {
  const run = await testReactor(waits("paid"), { input: 1 });
  await expect(run.send(event, 1, { key })).rejects.toMatchObject({
    ...{ code: "reactor.invalid_input", message },
    next: "Name the event that a step waits for, and the step's key.",
  });
});

test("what can be waited for can be sent: names of up to 100 characters", async () => {
  const run = await testReactor(waits(longest), { input: 1 });
  expect((await run.send(longest, "came")).result).toBe("came");
});

test("a payload that no step could keep as its result is refused where it is sent, and the run goes on waiting", async () => {
  const run = await testReactor(waits("paid"), { input: 1 });
  const largest = "x".repeat(maxResultChars - '""'.length);
  await expect(run.send("paid", `${largest}x`)).rejects.toMatchObject({
    code: "reactor.invalid_input",
    message: `send, payload: more than ${maxResultChars} characters of JSON.`,
    next: "Send plain JSON; keep the bulk in a file or in memory and send where.",
    details: { path: "payload" },
  });
  expect(run.status).toBe("waiting");
  expect((await run.send("paid", largest)).result).toBe(largest);
});
