/** Real worker threads: what an agent does in one, and that whatever it does to it stays in it. */
import { systemClock } from "@viable/kernel";
import { afterEach, describe, expect, test } from "vitest";
import type { AgentDefinition } from "../agent.ts";
import * as agents from "./testing/agents.ts";
import { ThreadPool } from "./thread-pool.ts";

let pool: ThreadPool | undefined;
afterEach(async () => {
  await pool?.stop();
});

function setup(maxThreads = 2, maxQueued = 10) {
  const made = new ThreadPool({ clock: systemClock, maxThreads, maxQueued });
  pool = made;
  const progress: unknown[] = [];
  const run = (agent: AgentDefinition, input: unknown = {}, signal = new AbortController().signal) => {
    if (agent.isolation.kind !== "thread") throw new Error("not a thread agent");
    return made.run({
      task: {
        module: agent.isolation.module,
        agent: agent.name,
        input,
        about: { executionId: "exe_1", service: "s", tenant: "t", attempt: 1, deadline: 0 },
      },
      maxMemoryMb: agent.isolation.maxMemoryMb,
      signal,
      onProgress: (percent, message, metadata) => progress.push([percent, message, metadata]),
    });
  };
  return { pool: made, run, progress };
}

describe("an agent in a thread", () => {
  test("computes, reports and is told what it works on", async () => {
    const { run, progress } = setup();
    expect(await run(agents.doubler, { n: 21 })).toBe(42);
    expect(await run(agents.reporter)).toEqual({ executionId: "exe_1", attempt: 1 });
    expect(progress).toEqual([[50, "half way", { file: "a.ts" }]]);
  });

  test("what it throws comes back with its code", async () => {
    const { run } = setup();
    await expect(run(agents.thrower)).rejects.toMatchObject({ code: "test.no_luck", message: "no luck" });
  });

  test("what it reports and throws comes back without what cannot be kept", async () => {
    const { run, progress } = setup();
    await expect(run(agents.careless)).rejects.toMatchObject({
      code: "test.careless",
      next: "Try another.",
      details: { omitted: "details.act: a function cannot be written as JSON" },
    });
    expect(progress).toEqual([[50, "half way", { omitted: "metadata.act: a function cannot be written as JSON" }]]);
  });

  test("one that fills its memory fails alone", async () => {
    const { run } = setup();
    const [hog, doubled] = await Promise.allSettled([run(agents.hog), run(agents.doubler, { n: 2 })]);
    expect(hog).toMatchObject({ status: "rejected", reason: { code: "agent.out_of_memory" } });
    expect(doubled).toEqual({ status: "fulfilled", value: 4 });
    expect(await run(agents.doubler, { n: 3 })).toBe(6);
  });

  test("one that exits takes its thread with it and nothing else", async () => {
    const { run } = setup();
    await expect(run(agents.quitter)).rejects.toMatchObject({ code: "agent.exited" });
    expect(await run(agents.doubler, { n: 3 })).toBe(6);
  });

  test("is told when it is aborted, and ended when it does not listen", async () => {
    const { run } = setup();
    const abort = new AbortController();
    const listening = run(agents.listener, {}, abort.signal);
    const spinning = run(agents.spinner, {}, abort.signal);
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(listening).rejects.toMatchObject({ message: "heard it" });
    await expect(spinning).rejects.toBe(reason);
    expect(await run(agents.doubler, { n: 1 })).toBe(2);
  });

  test("what it says after its end is not taken for the next task's word", async () => {
    const { run, progress } = setup(1);
    expect(await run(agents.straggler)).toBe("ended");
    expect(await run(agents.successor)).toBe("ended too");
    expect(progress).toEqual([]);
  });

  test("an input that cannot be copied into its thread is an error, and the thread does the next task", async () => {
    const { pool: made, run } = setup(1);
    const before = await run(agents.whereabouts);
    await expect(run(agents.doubler, { n: () => 21 })).rejects.toMatchObject({ code: "agent.uncopyable_input" });
    expect(made.busy).toBe(0);
    expect(await run(agents.whereabouts)).toBe(before);
  });

  test("one that its module does not export is named", async () => {
    const { run } = setup();
    await expect(run({ ...agents.doubler, name: "absent" })).rejects.toMatchObject({ code: "agent.not_exported" });
  });
});

describe("the pool", () => {
  test("runs no more threads than it may, and refuses what it cannot queue", async () => {
    const { pool: made, run } = setup(1, 1);
    const abort = new AbortController();
    const first = run(agents.listener, {}, abort.signal);
    const second = run(agents.doubler, { n: 1 });
    await expect(run(agents.doubler, { n: 2 })).rejects.toMatchObject({ code: "agent.threads_overloaded" });
    expect(made.busy).toBe(1);
    abort.abort(new Error("enough"));
    await expect(first).rejects.toThrow("heard it");
    expect(await second).toBe(2);
  });

  test("a task that is aborted before its turn never begins", async () => {
    const { run } = setup(1, 5);
    const [abortFirst, abortSecond] = [new AbortController(), new AbortController()];
    const first = run(agents.listener, {}, abortFirst.signal);
    const second = run(agents.spinner, {}, abortSecond.signal);
    const reason = new Error("not wanted");
    abortSecond.abort(reason);
    await expect(second).rejects.toBe(reason);
    abortFirst.abort(new Error("enough"));
    await expect(first).rejects.toThrow("heard it");
  });
});
