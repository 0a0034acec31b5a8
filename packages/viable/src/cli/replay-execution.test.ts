// A replay ends where the system itself is, shows what each event changed, and says where it cannot go on. Real executions, among them
// one that was given back, and one with an event of a later release.
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "../index.ts";
import { printReplay, renderStep, toUntil } from "./print-replay.ts";
import type { ReplayStep, Until } from "./replay-execution.ts";
import { findStateChanges, replayExecution } from "./replay-execution.ts";
import { writtenScreen, writtenShell } from "./testing/written-shell.ts";

const slow = agent({
  name: "slow",
  capability: "slow",
  description: "Takes its time, and tells how far it is.",
  input: z.strictObject({ label: z.string() }),
  handle: async (ctx, { label }) => {
    for (const percent of [0, 50]) {
      ctx.progress(percent, label);
      await new Promise<void>((resolve) => {
        ctx.runtime.clock.setTimer(resolve, 1_000);
      });
    }
    return { label };
  },
});
const definition = defineSystem({
  name: "replayed",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [slow] })],
});

/** Runs one execution, whose worker dies once, and writes an event of another release behind it. */
async function setup() {
  const t = await startTestSystem(definition);
  const client = await t.connect();
  const executionId = await client.begin("slow", { label: "a" });
  await t.time.advance(500);
  t.system.swarms.get("work")?.kill("worker-1", "a test");
  await client.outcome(executionId);
  const replay = async (until?: Until, api: Client = client.api) => {
    const steps: ReplayStep[] = [];
    const all = async () => {
      for await (const step of replayExecution(api, executionId, until)) steps.push(step);
    };
    await t.settled(all());
    return steps;
  };
  return { t, api: client.api, executionId, replay };
}

/** As a later release would write it, in a shape that is not known yet. */
async function writeLater(t: TestSystem, executionId: string, version: number, type: string): Promise<void> {
  const event = {
    id: "evt_later",
    type,
    data: '{"share":0.5}',
    tenant: "default",
    session: null,
    correlation: null,
    metadata: '{"actor":"system","schemaVersion":9}',
    time: t.time.now(),
  };
  const stream = { stream: `execution:${executionId}`, expected: version - 1, events: [event] };
  await t.store.commit([{ streams: [stream], records: [] }], t.time.now());
  t.system.log.wake();
  await t.time.advance(1_000);
}

/** Prints steps and answers what was written, and the exit status. */
async function print(format: "table" | "json" | "yaml", steps: readonly ReplayStep[]) {
  const { shell, out, err } = writtenShell();
  await printReplay(
    shell,
    format,
    (async function* () {
      yield* steps;
    })(),
  );
  return { out: out.text, err: err.text, status: shell.exitStatus };
}

test("the state after the last event is the one that the system has", async () => {
  const { t, executionId, replay } = await setup();
  const steps = await replay();
  expect(steps.map(({ event }) => event.type)).toEqual([
    "execution.accepted",
    "execution.progressed",
    "execution.claimed",
    "execution.progressed",
    "execution.progressed",
    "execution.completed",
  ]);
  expect(steps.at(-1)?.state).toEqual(await t.system.executions.get(t.ctx, executionId));
  await t.stop();
});

test("each step says which fields its event changed, and nothing else", async () => {
  const { t, replay } = await setup();
  const [accepted, ...rest] = await replay();
  const changed = ({ before, state }: ReplayStep) => state && findStateChanges(before, state).map(({ field }) => field);
  expect(accepted && changed(accepted)).toEqual(
    expect.arrayContaining(["executionId", "status", "accepted", "claim", "attempts", "startedAt"]),
  );
  expect(rest.map(changed)).toEqual([
    ["progress"],
    ["claim", "attempts"],
    [],
    ["progress"],
    ["status", "endedAt", "result"],
  ]);
  await t.stop();
});

describe("until", () => {
  test("a version, or a position, the event there is the last", async () => {
    const { t, replay } = await setup();
    const positions = (await replay()).map(({ event }) => event.position);
    expect(await replay(toUntil("3"))).toHaveLength(3);
    expect(await replay(toUntil(`@${positions[3]}`))).toHaveLength(4);
    expect(await replay(toUntil("@0"))).toEqual([]);
    expect(await replay(toUntil("99"))).toHaveLength(6);
    await t.stop();
  });
  test.each(["0", "-1", "x", "@", "@x", "1.5"])("%s is refused", (text) => {
    expect(() => toUntil(text)).toThrow(expect.objectContaining({ code: "cli.usage" }));
  });
});

test("an event that cannot be read is shown as it is stored, the fold stops before it, and that is said", async () => {
  const { t, executionId, replay } = await setup();
  await writeLater(t, executionId, 7, "execution.progressed");
  const steps = await replay();
  expect(steps.at(5)?.state?.status).toBe("completed");
  expect(steps.at(6)).toMatchObject({
    event: { data: { share: 0.5 } },
    problem: expect.stringContaining("it is of version 9"),
  });
  expect(steps.at(6)?.state).toBeUndefined();
  const { out, err, status } = await print("table", steps);
  expect(out).toContain("7 @9 execution.progressed by system\n  ! not folded: it is of version 9");
  expect(out).toContain('  = data {"share":0.5}\n');
  expect(err).toMatch(/^Folding stopped before version 7 \(@9, execution.progressed\): it is of version 9, .*\n$/);
  expect(status).toBe(1);
  await t.stop();
});

test("what cannot be folded can be replayed all the same by a process that has not known it, but by nobody else", async () => {
  const { t, executionId, replay } = await setup();
  await writeLater(t, executionId, 7, "audit.noted");
  await t.stop();
  await using next = await startTestSystem(definition, { store: t.store, time: t.time, seed: 2 });
  const { api: stranger } = await next.connect();
  await expect(replay(undefined, stranger)).rejects.toMatchObject({ problem: { status: 404 } });
  const owner = createClient({
    url: "http://test.invalid",
    token: next.system.ownerToken,
    clock: t.time,
    fetch: (async (url: string, init?: RequestInit) => await next.system.fetch(new Request(url, init))) as typeof fetch,
  });
  await expect(t.settled(owner.execution(executionId))).rejects.toMatchObject({ problem: { status: 500 } });
  expect((await replay(undefined, owner)).map(({ problem }) => problem).at(-1)).toContain("knows no such type");
});

test.each([
  ["of a type that this release does not know", { type: "execution.paused" }, "knows no such event"],
  ["whose shape it does not know", { data: { percent: "half" } }, "data.percent: "],
])("an event %s is not folded, nor what comes after it", async (_what, part, reason) => {
  const { t, api, replay } = await setup();
  const newer: Client = {
    ...api,
    async executionEvents(...asked) {
      const page = await api.executionEvents(...asked);
      return { ...page, events: page.events.map((event) => (event.version === 2 ? { ...event, ...part } : event)) };
    },
  };
  const steps = await replay(undefined, newer);
  expect(steps.map(({ state }) => state !== undefined)).toEqual([true, false, false, false, false, false]);
  expect(steps.map(({ problem }) => problem?.includes(reason))).toEqual([
    undefined,
    true,
    ...new Array(4).fill(undefined),
  ]);
  await t.stop();
});

describe("printed", () => {
  test("for people: when, which event, and each field that it changed", async () => {
    const { t, replay } = await setup();
    const { out, status } = await print("table", await replay());
    const lines = out.split("\n");
    expect(lines[0]).toBe("0 ms         1 @2 execution.accepted by owner");
    expect(out).toMatch(/^ {2}\+ status running$/m);
    expect(out).toMatch(/^ {2}~ attempts 1 → 2$/m);
    expect(out).toMatch(
      /^2\.5 s +6 @8 execution.completed by .*\n {2}~ status running → completed\n {2}\+ endedAt \d{4}-/m,
    );
    expect(out).toContain('  + result {"label":"a"}\n');
    expect(status).toBe(0);
    await t.stop();
  });

  test("for programs: an array of events and states", async () => {
    const { t, replay } = await setup();
    const steps = await replay();
    const expected = JSON.parse(JSON.stringify(steps.map(({ event, state }) => ({ event, state }))));
    const { out } = await print("json", steps);
    expect(JSON.parse(out)).toEqual(expected);
    expect(out).toBe(`${JSON.stringify(expected, null, 2)}\n`);
    expect((await print("yaml", steps)).out).toContain("  state:\n    executionId:");
    expect((await print("json", [])).out).toBe("[]\n");
    await t.stop();
  });

  test("on a narrow terminal no line is broken, and no old value hides the new one", () => {
    const event = {
      time: "2026-01-01T00:00:00.000Z",
      version: 2,
      position: "9",
      type: "execution.progressed",
      actor: "x",
    };
    const progress = (message: string) => ({ status: "running", progress: { percent: 1, message } });
    const step = { event, before: progress("a".repeat(99)), state: progress("b\n".repeat(99)), problem: undefined };
    const text = renderStep(writtenScreen({ isTerminal: true, columns: 60 }), step as unknown as ReplayStep, 65_000);
    const lines = text.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
    expect(lines[1]).toMatch(/^ {2}~ progress \{.*… → \{.*…$/);
  });
});
