// Proves what is written down of tasks that nobody took, how often, and what is listed of them: of one's own tenant, the newest first.
import type { Context, JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { AppendOutcome, Log, Store } from "@viable/log";
import { createLog, createMemoryStore, maxPageBytes } from "@viable/log";
import { shortPages } from "@viable/log/testing";
import type { ExecutionEventData } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import type { UndeliveredTask } from "./dead-letters.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { readDeadLetters } from "./read-dead-letters.ts";

async function withLog(store: Store = createMemoryStore()) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time, random: seededRandom(1) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  const deadLetters = createDeadLetters(log, "prc_1");
  const letter = (parts: Partial<UndeliveredTask> = {}): UndeliveredTask => ({
    command: "work",
    kind: "unroutable",
    code: "registry.no_swarm",
    reason: "Nobody offers it.",
    depth: 0,
    ...parts,
  });
  const record = async (parts: Partial<UndeliveredTask> = {}, of: Context = ctx) => {
    deadLetters.record(of, letter(parts));
    await time.advance(1);
  };
  const list = (of: Context = ctx, limit = 100) => readDeadLetters(of, log, { limit });
  const tenant = (name: string) => rootContext(runtime, { tenant: name });
  /** An execution as its events: accepted with or without a claim, and what came then. */
  const execution = async (id: string, claim: boolean, ...events: { type: string; data: object }[]) =>
    await executionOf({}, id, claim, ...events);
  const executionOf = async (
    args: JsonObject,
    id: string,
    claim: boolean,
    ...events: { type: string; data: object }[]
  ) => {
    const accepted: ExecutionEventData<"execution.accepted"> = {
      command: "nap",
      args,
      service: "work",
      agent: "napper",
      route: {
        capability: "nap",
        policy: "least-loaded",
        chosen: { service: "work", processId: "prc_2", epoch: 1 },
        reason: "",
        candidates: [],
      },
      deadline: 1_000,
      authority: { principal: "owner", operations: [], clientType: "cli" },
      maxAttempts: 3,
      depth: 0,
      ...(claim && { claim: { processId: "prc_2", epoch: 1, attempt: 1 } }),
    };
    const all = [{ type: "execution.accepted", data: accepted }, ...events];
    await log.append(ctx, {
      streams: [{ stream: `execution:${id}`, expected: 0, events: all as never, causation: id }],
    });
  };
  return { time, ctx, log, deadLetters, letter, record, list, tenant, execution, executionOf };
}

describe("a task that was refused", () => {
  test("is listed with its reason, the newest first (X5)", async () => {
    const { record, list } = await withLog();
    await record();
    await record({ command: "loop", kind: "too_many_hops", code: "intake.too_deep", depth: 17, parentId: "exe_1" });
    expect((await list()).deadLetters).toMatchObject([
      { command: "loop", kind: "too_many_hops", code: "intake.too_deep", parentId: "exe_1" },
      { command: "work", kind: "unroutable", code: "registry.no_swarm", reason: "Nobody offers it." },
    ]);
  });

  test("again and again is written once a minute, with how many more there were", async () => {
    const { time, deadLetters, record, list } = await withLog();
    for (let count = 0; count < 5; count++) await record();
    expect((await list()).deadLetters).toHaveLength(1);
    await time.advance(60_000);
    await record();
    const { deadLetters: listed } = await list();
    expect(listed.map(({ more }) => more)).toEqual([4, undefined]);
    expect(deadLetters.stats()).toEqual({ deadLetters: 6, deadLettersCounted: 4 });
  });

  test("is one of at most sixty that are written in a minute, whatever their names are (W10)", async () => {
    const { time, deadLetters, record, list } = await withLog();
    for (let index = 0; index < 200; index++) await record({ command: `work-${index}` });
    expect((await list()).deadLetters).toHaveLength(60);
    expect(deadLetters.stats()).toEqual({ deadLetters: 200, deadLettersCounted: 140 });
    await time.advance(60_000);
    await record({ command: "later" });
    expect((await list()).deadLetters[0]).toMatchObject({ command: "later" });
  });

  test("has a name and a reason of bounded length", async () => {
    const { record, list } = await withLog();
    await record({ command: "x".repeat(10_000), reason: "y".repeat(100_000) });
    const [listed] = (await list()).deadLetters;
    expect([listed?.command.length, listed?.reason.length]).toEqual([200, 2_000]);
  });

  test("is its tenant's: another sees nothing of it, and is not counted with it (W11)", async () => {
    const { record, list, tenant } = await withLog();
    await record({}, tenant("acme"));
    await record({}, tenant("other"));
    expect((await list(tenant("acme"))).deadLetters).toHaveLength(1);
    expect((await list(tenant("other"))).deadLetters).toHaveLength(1);
    expect((await list()).deadLetters).toEqual([]);
  });

  test("that the log does not take is counted, and whoever refused it is not bothered", async () => {
    const { time, ctx, log, letter } = await withLog();
    const overloaded: AppendOutcome = { ok: false, reason: "overloaded", waiting: 1, retryAfterMs: 1 };
    const answers: (() => Promise<AppendOutcome>)[] = [
      async () => overloaded,
      async () => {
        throw new Error("The database is away.");
      },
    ];
    const unwilling: Log = { ...log, append: () => answers.shift()?.() ?? Promise.resolve(overloaded) };
    const deadLetters = createDeadLetters(unwilling, "prc_1");
    deadLetters.record(ctx, letter());
    deadLetters.record(ctx, letter({ command: "other" }));
    await time.advance(1);
    expect(deadLetters.stats()).toEqual({ deadLetters: 2, deadLettersCounted: 2 });
  });
});

describe("a task that was accepted", () => {
  const timedOut = { type: "execution.timed_out", data: { deadline: 1_000 } };
  const claimed = {
    type: "execution.claimed",
    data: { processId: "prc_2", epoch: 1, attempt: 1, reason: "routed here" },
  };
  const failed = (code: string) => ({
    type: "execution.failed",
    data: { error: { code, message: `because of ${code}`, retryable: false } },
  });

  test("is a dead letter where its time was over before anybody took it, and where it was given up", async () => {
    const { execution, list } = await withLog();
    await execution("exe_untaken", false, timedOut);
    await execution("exe_taken_at_once", true, timedOut);
    await execution("exe_taken", false, claimed, timedOut);
    await execution("exe_failed", true, failed("internal"));
    await execution("exe_given_up", true, failed("swarm.attempts_exhausted"));
    expect((await list()).deadLetters).toMatchObject(
      [
        { executionId: "exe_given_up", kind: "given_up", code: "swarm.attempts_exhausted", reason: /because/ },
        {
          executionId: "exe_untaken",
          kind: "past_deadline",
          command: "nap",
          service: "work",
          reason: "It was routed to work in prc_2, which had not taken it by its deadline, 1970-01-01T00:00:01.000Z.",
        },
      ].map(({ reason, ...rest }) => ({
        ...rest,
        reason: typeof reason === "string" ? reason : expect.stringMatching(reason),
      })),
    );
  });

  test("pages go on where the last one ended, to the end", async () => {
    const { log, ctx, execution, record, list } = await withLog();
    for (let index = 0; index < 5; index++) await execution(`exe_${index}`, index % 2 === 0, timedOut);
    for (let index = 0; index < 3; index++) await record({ command: `work-${index}` });
    const all = (await list()).deadLetters;
    expect(all).toHaveLength(5);
    const pages: string[][] = [];
    let before: string | undefined;
    do {
      const page = await readDeadLetters(ctx, log, { limit: 2, before });
      pages.push(page.deadLetters.map(({ position }) => position));
      before = page.next;
    } while (before !== undefined);
    expect(pages.flat()).toEqual(all.map(({ position }) => position));
  });

  test("what is too large to be read at once is listed all the same, over as many pages as it takes", async () => {
    const { ctx, log, executionOf, list } = await withLog();
    const large = { text: "x".repeat(maxPageBytes / 4) };
    for (let index = 0; index < 45; index++) await executionOf(large, `exe_${index}`, index % 10 === 9, timedOut);
    const listed: (string | undefined)[] = [];
    let page = await list();
    // Each of ten reads holds four of them, and what is left over is said to be.
    expect(page).toMatchObject({ next: expect.anything() });
    for (;;) {
      listed.push(...page.deadLetters.map(({ executionId }) => executionId));
      if (page.next === undefined) break;
      page = await readDeadLetters(ctx, log, { limit: 100, before: page.next });
    }
    const untaken = Array.from({ length: 45 }, (_, index) => 44 - index).filter((index) => index % 10 !== 9);
    expect(listed).toEqual(untaken.map((index) => `exe_${index}`));
  });

  test("whether it was taken is found where a read brings one event of it at a time", async () => {
    const store = createMemoryStore();
    const { execution, list } = await withLog({ ...store, ...shortPages(store, 1) });
    await execution("exe_untaken", false, timedOut);
    await execution("exe_taken", false, { type: "execution.rejoined", data: {} }, claimed, timedOut);
    await execution("exe_untaken_too", false, { type: "execution.rejoined", data: {} }, timedOut);
    const { deadLetters } = await list();
    expect(deadLetters.map(({ executionId }) => executionId)).toEqual(["exe_untaken_too", "exe_untaken"]);
  });

  test("one page looks at 5,000 events and no further, and says where to go on", async () => {
    const { ctx, log, execution, record, list } = await withLog();
    await record();
    for (let index = 0; index < 5_010; index++) await execution(`exe_${index}`, true, failed("internal"));
    const first = await list();
    expect(first).toEqual({ deadLetters: [], next: expect.anything() });
    expect((await readDeadLetters(ctx, log, { limit: 10, before: first.next })).deadLetters).toHaveLength(1);
  });
});
