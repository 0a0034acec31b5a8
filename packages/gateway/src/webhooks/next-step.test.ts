// Proves what each answer of a receiver leads to.
import { seededRandom } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import type { Delivery } from "./delivery.ts";
import { maxTries, nextStep } from "./next-step.ts";

const now = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;
const pending = { attempts: 3, failures: 3 } as Delivery;
const after = (status: number, retryAfter?: string, before = pending) =>
  nextStep(before, { answer: { ok: true, status, retryAfter }, ms: 12.4 }, now, seededRandom(1));

test.each([200, 201, 204, 299])("%i is a receipt", (status) => {
  expect(after(status)).toEqual({ kind: "delivered", attempt: 4, ms: 12, status });
});

test.each([
  [0, "webhook.status"],
  [199, "webhook.status"],
  [300, "webhook.redirected"],
  [301, "webhook.redirected"],
  [304, "webhook.redirected"],
  [307, "webhook.redirected"],
  [400, "webhook.status"],
  [401, "webhook.status"],
  [404, "webhook.status"],
  [500, "webhook.status"],
  [599, "webhook.status"],
])("%i is none, and is tried again", (status, code) => {
  const step = after(status);
  expect(step).toMatchObject({ kind: "failed", attempt: 4, status, code, dead: undefined });
  expect(step.kind === "failed" && step.retryAt).toBeGreaterThan(now);
});

test("410 ends it, whatever is asked for beside", () => {
  expect(after(410, "5")).toMatchObject({ retryAt: undefined, dead: { code: "webhook.gone" }, isGone: true });
});

test("the last try ends it; after a replay there are as many again", () => {
  const last = { attempts: maxTries - 1, failures: maxTries - 1 } as Delivery;
  expect(after(500, "5", last)).toMatchObject({
    retryAt: undefined,
    dead: { code: "webhook.undeliverable" },
    isGone: false,
  });
  const replayed = { attempts: maxTries, failures: 0 } as Delivery;
  expect(after(500, undefined, replayed)).toMatchObject({ attempt: maxTries + 1, dead: undefined });
});

describe("a wait that a receiver asks for", () => {
  const waitMs = (retryAfter: string | undefined) => {
    const step = after(503, retryAfter);
    return step.kind === "failed" && step.retryAt !== undefined ? step.retryAt - now : Number.NaN;
  };
  const planned = waitMs(undefined);

  test.each([
    ["7200", 2 * hourMs],
    [" 7200 ", 2 * hourMs],
    ["Thu, 01 Jan 2026 03:00:00 GMT", 3 * hourMs],
    ["99999999", 8 * hourMs],
    ["Fri, 01 Jan 2027 00:00:00 GMT", 8 * hourMs],
  ])("is kept to, up to eight hours: %s", (header, ms) => {
    expect(waitMs(header)).toBe(ms);
  });

  test.each(["0", "1", "-5", "soon", "", "1e9", "Wed, 31 Dec 2025 00:00:00 GMT"])(
    "is none where it is shorter than ours, or says nothing: %s",
    (header) => {
      expect(waitMs(header)).toBe(planned);
    },
  );
});
