// Proves what bounds a delegation in a whole system: how many at once, for how long, with what authority, and how large; and that what nobody
// took is listed.
import { deadLetterPage } from "@viable/protocol";
import type { DelegateOutcome } from "@viable/swarm";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

function delegating(maxConcurrentDelegations?: number) {
  const outcomes: DelegateOutcome[] = [];
  const gate = Promise.withResolvers<void>();
  const definition = defineSystem({
    name: "delegating",
    services: [
      service({
        name: "asking",
        description: "Asks.",
        port: 0,
        ...(maxConcurrentDelegations !== undefined && { maxConcurrentDelegations }),
        agents: [
          agent({
            name: "crowd",
            capability: "crowd",
            description: "Delegates many at once.",
            input: z.strictObject({ count: z.number(), timeoutMs: z.number().optional() }),
            handle: async (ctx, { count, timeoutMs }) => {
              const options = timeoutMs === undefined ? {} : { timeoutMs };
              const all = Array.from({ length: count }, (_, n) => ctx.delegate("wait", { n }, options));
              outcomes.push(...(await Promise.all(all)));
              return outcomes.length;
            },
          }),
          agent({
            name: "giant",
            capability: "giant",
            description: "Delegates what is too large.",
            input: z.strictObject({ chars: z.number() }),
            handle: async (ctx, { chars }) => {
              outcomes.push(await ctx.delegate("wait", { n: 0, text: "x".repeat(chars) }));
              return null;
            },
          }),
        ],
      }),
      service({
        name: "asked",
        description: "Is asked.",
        port: 0,
        workers: 200,
        agents: [
          agent({
            name: "waiter",
            capability: "wait",
            description: "Waits until it is let go.",
            input: z.strictObject({ n: z.number(), text: z.string().default("") }),
            handle: async (ctx, { n }) => {
              await Promise.race([
                gate.promise,
                new Promise((_, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason))),
              ]);
              return n;
            },
          }),
        ],
      }),
    ],
  });
  return { definition, outcomes, open: gate.resolve };
}

describe("delegations of a swarm", () => {
  test.each([
    [undefined, 100],
    [3, 3],
  ])(
    "with a bound of %s: %i are under way at once, and one more is refused as overloaded with a time",
    async (given, max) => {
      const { definition, outcomes, open } = delegating(given);
      await using t = await startTestSystem(definition);
      const client = await t.connect();
      const running = await client.begin("crowd", { count: max + 2 });
      await t.time.advance(100);
      expect(await t.events("execution.accepted")).toHaveLength(max + 1);
      open();
      await client.outcome(running);
      const refused = outcomes.filter((outcome) => !outcome.ok);
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(max);
      expect(refused).toHaveLength(2);
      expect(refused[0]).toMatchObject({
        status: "refused",
        error: { code: "swarm.too_many_delegations", retryable: true, details: { retryAfterMs: 1_000 } },
      });
      // The places are free again.
      await client.run("crowd", { count: max });
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(2 * max);
    },
  );

  test("of a task that is begun again hold the places they had, and no more", async () => {
    const { definition, outcomes, open } = delegating(3);
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const running = await client.begin("crowd", { count: 2 });
    await t.time.advance(100);
    for (let death = 0; death < 2; death++) {
      for (const { id } of t.system.swarms.get("asking")?.status().workers ?? [])
        t.system.swarms.get("asking")?.kill(id, "a test does so");
      await t.time.advance(2_000);
    }
    expect((await client.api.execution(running)).attempts).toBe(3);
    // Two places of three are taken: one of these finds the third.
    const other = await client.begin("crowd", { count: 2 });
    await t.time.advance(100);
    open();
    for (const id of [running, other]) await client.outcome(id);
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, true, true, false]);
    // All three are free again.
    await client.run("crowd", { count: 3 });
    expect(outcomes.slice(4).map(({ ok }) => ok)).toEqual([true, true, true]);
  });

  test("have 60 s where nobody says less, never more than their parent, and less where they are told", async () => {
    const { definition } = delegating();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    const givenMs = async (options: { deadlineMs?: number }, args: { timeoutMs?: number } = {}) => {
      await client.begin("crowd", { count: 1, ...args }, options);
      await t.time.advance(10);
      const child = (await t.events("execution.accepted")).at(-1);
      return Number(child?.data.deadline) - Number(child?.time);
    };
    expect(await givenMs({ deadlineMs: 3_600_000 })).toBe(60_000);
    expect(await givenMs({ deadlineMs: 5_000 })).toBe(5_000);
    expect(await givenMs({ deadlineMs: 3_600_000 }, { timeoutMs: 2_000 })).toBe(2_000);
  });

  test("that have no time left are refused before anything is recorded", async () => {
    const { definition, outcomes } = delegating();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    await client.run("crowd", { count: 1, timeoutMs: 0 });
    expect(outcomes).toMatchObject([{ status: "refused", error: { code: "intake.past_deadline", retryable: false } }]);
    expect(await t.events("execution.accepted")).toHaveLength(1);
  });

  test("act in the name of whoever began it all, and may do no more (W4)", async () => {
    const { definition, open } = delegating();
    open();
    await using t = await startTestSystem(definition);
    const client = await t.connect("web");
    await client.run("crowd", { count: 1 });
    const [parent, child] = (await t.events("execution.accepted")).map(
      ({ data }) => data as { authority?: { operations: string[] } },
    );
    expect(parent?.authority?.operations).toEqual(["read", "write"]);
    expect(child?.authority).toMatchObject({ operations: ["read", "write"], clientType: "agent" });
  });

  test("of what is too large for the log are refused, and it is said how large it may be", async () => {
    const { definition, outcomes } = delegating();
    await using t = await startTestSystem(definition);
    const client = await t.connect();
    await client.run("giant", { chars: 9 * 1024 * 1024 });
    expect(outcomes).toMatchObject([
      {
        status: "refused",
        error: { code: "intake.unrecordable_arguments", message: expect.stringMatching(/8388608/) },
      },
    ]);
  });
});

test("what nobody took is listed with its reason, to whoever may read the tenant (X5)", async () => {
  const definition = defineSystem({
    name: "lost",
    services: [
      service({
        name: "work",
        description: "Works.",
        port: 0,
        workers: 1,
        agents: [
          agent({
            name: "lost",
            capability: "lose",
            description: "Has done what nobody does, and itself, in a circle.",
            input: z.strictObject({}),
            handle: async (ctx) => {
              await ctx.delegate("loose", {});
              return (await ctx.delegate("lose", {}, { key: "again" })) as never;
            },
          }),
        ],
      }),
    ],
  });
  await using t = await startTestSystem(definition);
  const client = await t.connect();
  await client.run("lose");
  const ask = async (query: string, token = t.system.ownerToken) => {
    const url = `http://test.invalid/v1/registry/dead-letters${query}`;
    const asked = t.system.fetch(new Request(url, { headers: { authorization: `Bearer ${token}` } }));
    return await t.settled(Promise.resolve(asked).then(async (response) => await response.json()));
  };
  const { deadLetters } = deadLetterPage.parse(await ask(""));
  expect(deadLetters.map(({ kind, code, command }) => [kind, code, command])).toEqual([
    ["too_many_hops", "intake.too_deep", "lose"],
    ["unroutable", "intake.unknown_command", "loose"],
  ]);
  expect(deadLetters[1]).toMatchObject({
    reason: 'There is no command "loose". Did you mean lose?',
    parentId: expect.stringMatching(/^exe_/),
  });
  const first = deadLetterPage.parse(await ask("?limit=1"));
  expect(first.deadLetters).toEqual(deadLetters.slice(0, 1));
  expect(deadLetterPage.parse(await ask(`?before=${first.next}`)).deadLetters).toEqual(deadLetters.slice(1));
  expect(await ask("?before=nowhere")).toMatchObject({ status: 422, code: "registry.invalid_query" });
  // What a client has mistyped is told to it, and is no task.
  await expect(client.run("loose")).rejects.toMatchObject({ problem: { status: 404 } });
  // Seventeen asked for what nobody does: one is listed, and the rest are counted.
  expect(t.system.registry.stats()).toMatchObject({ deadLetters: 18, deadLettersCounted: 16 });
});
