// Proves that a context only ever narrows: a deadline comes nearer, a signal is added, and both end what is done in it.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRuntime, isTraceparent, newTraceparent, rootContext, throwIfDone, withContext } from "./context.ts";
import { seededRandom, systemRandom } from "./random.ts";
import { simulateTime } from "./simulated-time.ts";

const runtimeOf = () => {
  const time = simulateTime();
  return { time, runtime: createRuntime({ clock: time, random: seededRandom(1) }) };
};

describe("withContext", () => {
  test("a deadline only comes nearer, along any chain of contexts", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.nat({ max: 1_000_000 }), { nil: undefined }), { maxLength: 8 }),
        (deadlines) => {
          let ctx = rootContext(runtimeOf().runtime);
          let nearest: number | undefined;
          for (const deadline of deadlines) {
            ctx = withContext(ctx, deadline === undefined ? { tenant: "acme" } : { deadline });
            if (deadline !== undefined) nearest = Math.min(deadline, nearest ?? Number.POSITIVE_INFINITY);
            expect(ctx.deadline).toBe(nearest);
          }
        },
      ),
    );
  });

  test("a signal is added to those there are: any of them ends the context, and a child's does not end its parent", () => {
    const [outer, inner] = [new AbortController(), new AbortController()];
    const parent = withContext(rootContext(runtimeOf().runtime), { signal: outer.signal });
    const child = withContext(parent, { signal: inner.signal });
    const sibling = withContext(parent, { signal: new AbortController().signal });
    inner.abort("inner");
    expect([child.signal.aborted, parent.signal.aborted, sibling.signal.aborted]).toEqual([true, false, false]);
    outer.abort("outer");
    expect([parent.signal.aborted, sibling.signal.aborted]).toEqual([true, true]);
    expect([child.signal.reason, sibling.signal.reason]).toEqual(["inner", "outer"]);
  });

  test("the rest is replaced, and the original stays as it was", () => {
    const ctx = rootContext(runtimeOf().runtime);
    const other = withContext(ctx, { tenant: "acme", principal: "owner" });
    expect([ctx.tenant, ctx.principal, other.tenant, other.principal]).toEqual(["default", "system", "acme", "owner"]);
    expect(other.runtime).toBe(ctx.runtime);
  });
});

describe("throwIfDone", () => {
  test("throws from the deadline on, not before", async () => {
    const { time, runtime } = runtimeOf();
    const ctx = rootContext(runtime, { deadline: time.now() + 100 });
    await time.advance(99);
    expect(() => throwIfDone(ctx)).not.toThrow();
    await time.advance(1);
    expect(() => throwIfDone(ctx)).toThrow(expect.objectContaining({ code: "context.deadline_exceeded" }));
  });

  test("throws with the reason once the caller has gone", () => {
    const controller = new AbortController();
    const ctx = rootContext(runtimeOf().runtime, { signal: controller.signal });
    controller.abort(new Error("closed the tab"));
    expect(() => throwIfDone(ctx)).toThrow(
      expect.objectContaining({
        code: "context.cancelled",
        cause: expect.objectContaining({ message: "closed the tab" }),
      }),
    );
  });
});

describe("traceparent", () => {
  test("a new one is usable, and no two are the same", () => {
    const made = Array.from({ length: 100 }, () => newTraceparent(systemRandom));
    expect(made.every(isTraceparent)).toBe(true);
    expect(new Set(made).size).toBe(100);
  });

  // From https://www.w3.org/TR/trace-context/#traceparent-header-field-values
  test.each([
    ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true],
    ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true],
    ["00-00000000000000000000000000000000-b7ad6b7169203331-01", false],
    ["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false],
    ["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false],
    ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false],
    ["ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false],
    ["", false],
  ])("%j: %s", (header, usable) => {
    expect(isTraceparent(header)).toBe(usable);
  });
});
