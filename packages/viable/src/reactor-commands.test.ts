// That a command about a run is answered after a crash as it would have been without one: what it had done is found again, and is not done
// twice.
import type { JsonObject } from "@viable/kernel";
import type { CommitOutcome, EncodedAppend, Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import type { TestClient, TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { defineSystem, reactor } from "./index.ts";

const anything = z.looseObject({});
let wired = 0;
let drawn = 0;

const unsure = reactor("unsure", { input: anything }, (steps) =>
  steps
    .step("wire", {
      idempotent: false,
      timeoutMs: 10,
      run: () => {
        wired += 1;
        return new Promise<string>(() => {});
      },
    })
    .returns(({ results }) => results.wire),
);
const naps = reactor("naps", { input: anything }, (steps) =>
  steps.sleep("nap", { args: () => ({ forMs: 3_600_000 }) }).returns(() => null),
);
const asks = reactor("asks", { input: anything }, (steps) =>
  steps.approval("ask", { title: "May it?" }).returns(({ results }) => results.ask),
);
const books = reactor("books", { input: anything, reversible: true }, (steps) =>
  steps
    .step("book", { run: () => "booked", undo: () => undefined })
    .step("pack", { after: ["book"], run: () => "packed" })
    .returns(({ results }) => results.pack),
);
const draws = reactor("draws", { input: z.object({ nr: z.number().default(() => ++drawn) }) }, (steps) =>
  steps.sleep("nap", { args: () => ({ forMs: 3_600_000 }) }).returns(() => null),
);

const definition = defineSystem({ name: "sagas", services: [], reactors: [unsure, naps, asks, books, draws] });

/** The way of one process to a database that others share: it ends for good once an event of the named type has been taken. */
function diesWith(memory: Store) {
  const death = { with: "", isDead: false };
  const over =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>, isTheEnd: (...args: A) => boolean = () => false) =>
    async (...args: A): Promise<R> => {
      const answer = death.isDead ? undefined : await call(...args);
      death.isDead ||= isTheEnd(...args);
      return answer === undefined || death.isDead ? await new Promise<never>(() => {}) : answer;
    };
  const store: Store = {
    ...memory,
    readAll: over(memory.readAll),
    readStream: over(memory.readStream),
    readStreams: over(memory.readStreams),
    head: over(memory.head),
    getRecords: over(memory.getRecords),
    listRecords: over(memory.listRecords),
    readChanges: over(memory.readChanges),
    commit: over(memory.commit, (batch) =>
      batch.some(({ streams }) => streams.some(({ events }) => events.some(({ type }) => type === death.with))),
    ),
  };
  return { store, death };
}

/** The way of a process to that database that comes too late with every claim of an execution, until it has written the named type. */
function claimsAfter(memory: Store, type: string): Store {
  let isWritten = false;
  const writes = ({ streams }: EncodedAppend, wanted: string) =>
    streams.some(({ events }) => events.some((event) => event.type === wanted));
  return {
    ...memory,
    async commit(batch, now, follow) {
      const late = isWritten ? [] : batch.filter((append) => writes(append, "execution.claimed"));
      const others = batch.filter((append) => !late.includes(append));
      const result = await memory.commit(others, now, follow);
      isWritten ||= others.some((append) => writes(append, type));
      const outcomeOf = (append: EncodedAppend): CommitOutcome =>
        result.outcomes[others.indexOf(append)] ?? {
          kind: "stream_conflict",
          stream: append.streams[0]?.stream ?? "",
          actual: 0,
        };
      return { ...result, outcomes: batch.map(outcomeOf) };
    },
  };
}

type Command = readonly [command: string, args: JsonObject];

interface Meanwhile {
  /** Done when the second process has started. */
  readonly meanwhile?: (two: TestSystem) => Promise<unknown>;
  /** Its way to the database. */
  readonly wayOf?: (store: Store) => Store;
}

/**
 * Has a command done by a process that dies once an event of the named type is durable, and by another once its lease is over: what that one
 * answers, and its system a minute later.
 */
async function doneTwice(
  prepare: (client: TestClient, one: TestSystem) => Promise<Command>,
  diesOf: string,
  { meanwhile, wayOf = (store) => store }: Meanwhile = {},
) {
  const memory: Store = { ...createMemoryStore(), exclusive: false };
  const { store, death } = diesWith(memory);
  const one = await startTestSystem(definition, { store });
  const client = await one.connect();
  const [command, args] = await prepare(client, one);
  death.with = diesOf;
  const executionId = await client.begin(command, args);
  await one.time.until(() => death.isDead);
  const two = await startTestSystem(definition, { store: wayOf(memory), seed: 2, time: one.time });
  onTestFinished(() => two.stop());
  await meanwhile?.(two);
  const settled = await two.settled(two.system.executions.whenSettled(two.ctx, executionId));
  await two.time.advance(60_000);
  const { status, attempts, result, error } = settled;
  return { two, answer: { status, attempts, ...(error === undefined ? { result } : { error: error.code }) } };
}

const start = async (client: TestClient, name: string): Promise<string> => {
  const answer = await client.run("reactor.start", { reactor: name });
  if (answer.status !== "completed") throw new Error(`The run was not begun: ${answer.status}.`);
  return (answer.result as { runId: string }).runId;
};

test("one word of a person answers one question: a once-only step is not done again for it after a crash", async () => {
  wired = 0;
  let runId = "";
  const resume = async (client: TestClient, { time }: TestSystem): Promise<Command> => {
    runId = await start(client, "unsure");
    await time.advance(2_000);
    return ["reactor.resume", { runId, decision: "retry" }];
  };
  // It asks again before the command is done again.
  const wayOf = (memory: Store) => claimsAfter(memory, "run.needs_review");
  const { two, answer } = await doneTwice(resume, "run.reviewed", { wayOf });
  expect(answer).toEqual({ status: "completed", attempts: 2, result: { runId } });
  expect(wired).toBe(2);
  const events = await two.events("run.needs_review", "run.reviewed", "execution.claimed");
  expect(events.map(({ type }) => type)).toEqual([
    "run.needs_review",
    "run.reviewed",
    "run.needs_review",
    "execution.claimed",
  ]);
});

test.for<[command: string, reactor: string, diesOf: string]>([
  ["reactor.cancel", "naps", "run.cancel_requested"],
  ["reactor.undo", "books", "run.undo_requested"],
])("%s answers that it did what it did", async ([command, name, diesOf]) => {
  let runId = "";
  const { two, answer } = await doneTwice(async (client, { time }) => {
    runId = await start(client, name);
    await time.advance(2_000);
    return [command, { runId, reason: "enough" }];
  }, diesOf);
  expect(answer).toEqual({ status: "completed", attempts: 2, result: { runId } });
  expect(await two.events(diesOf)).toHaveLength(1);
});

test("approval.decide answers which step of which run it decided", async () => {
  let [args, runId]: [JsonObject, string] = [{}, ""];
  const { two, answer } = await doneTwice(async (client, t) => {
    runId = await start(client, "asks");
    await t.time.advance(2_000);
    const { approvals } = await t.settled(client.api.approvals());
    args = { approvalId: approvals[0]?.approvalId, decision: "approved" };
    return ["approval.decide", args];
  }, "approval.decided");
  expect(answer).toEqual({ status: "completed", attempts: 2, result: { ...args, runId, step: "ask" } });
  expect(await two.events("approval.decided")).toHaveLength(1);
});

test("reactor.start finds the run that it began, whatever its input's schema draws", async () => {
  drawn = 0;
  const { two, answer } = await doneTwice(async () => ["reactor.start", { reactor: "draws" }], "run.started");
  const [started, ...others] = await two.events("run.started");
  expect(others).toEqual([]);
  expect(started?.data.input).toEqual({ nr: 1 });
  const runId = started?.stream.slice("run:".length);
  expect(answer).toEqual({ status: "completed", attempts: 2, result: { runId, repeated: false } });
});

test("reactor.start under a key of its caller's says of a run that it began itself that it began it", async () => {
  const { answer } = await doneTwice(
    async () => ["reactor.start", { reactor: "draws", key: "order-7" }],
    "run.started",
  );
  expect(answer).toEqual({
    status: "completed",
    attempts: 2,
    result: { runId: expect.stringMatching(/^run_/), repeated: false },
  });
});

test("reactor.fork finds the fork that it began, though the run has been undone since", async () => {
  let original = "";
  const { two, answer } = await doneTwice(
    async (client, { time }) => {
      original = await start(client, "books");
      await time.advance(2_000);
      return ["reactor.fork", { runId: original, from: "pack" }];
    },
    "run.started",
    { meanwhile: (two) => two.settled(two.system.reactors.undo(two.ctx, original, "ordered twice")) },
  );
  expect(await two.events("run.undo_requested")).toHaveLength(1);
  const forks = (await two.events("run.started")).filter(({ data }) => data.forkedFrom !== undefined);
  expect(forks).toHaveLength(1);
  expect(answer).toEqual({
    status: "completed",
    attempts: 2,
    result: { runId: forks[0]?.stream.slice("run:".length) },
  });
});

test("the trace of a command goes on in the run that it begins", async () => {
  await using t = await startTestSystem(definition);
  await start(await t.connect(), "naps");
  const [accepted, started] = await t.events("execution.accepted", "run.started");
  expect(accepted?.metadata.traceparent).toMatch(/^00-/);
  expect(started?.metadata.traceparent).toBe(accepted?.metadata.traceparent);
});

test("a run that is not begun is refused with a code of its own and what to do next", async () => {
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  const runId = await start(client, "naps");
  expect(await client.run("reactor.fork", { runId, from: "nap" })).toMatchObject({
    error: { code: "reactor.not_ended", next: expect.stringContaining("when it has ended") },
  });
});
