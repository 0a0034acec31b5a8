/** Executions that this release cannot read, as another has written them: they hide nobody else's, and are told of to nobody else. */
import { createRuntime, rootContext, simulateTime, withContext } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { executionPage } from "@viable/protocol";
import { createExecutions } from "@viable/swarm";
import { agent, defineSystem, service } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const echo = agent({
  name: "echo",
  capability: "echo",
  description: "Says what it is told.",
  input: z.strictObject({ n: z.number() }),
  handle: (_ctx, { n }) => ({ n }),
});
const definition = defineSystem({
  name: "undecodable",
  services: [service({ name: "work", description: "Works.", port: 0, agents: [echo] })],
});

const idOf = (last: number) => `exe_${String(last).padStart(26, "0")}`;
const [unreadable, unreadableEnd, others] = [idOf(1), idOf(2), idOf(3)];

/** A log in which a release that knows other shapes has seen everything. */
async function writtenByAnother() {
  const store = createMemoryStore();
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time }));
  const log = createLog(store, ctx.runtime);
  const executions = createExecutions(log);
  await log.start(ctx);
  await executions.start(ctx);
  const append = (tenant: string, executionId: string, accepted: object) =>
    log.append(withContext(ctx, { tenant }), {
      streams: [
        {
          stream: `execution:${executionId}`,
          expected: 0,
          events: [
            { type: "execution.accepted", data: { ...accepted } },
            { type: "execution.completed", data: { outcome: "in words of its own" } },
          ],
        },
      ],
    });
  await append("default", unreadable, { wish: "echo" });
  await append("default", unreadableEnd, {
    command: "echo",
    args: {},
    service: "work",
    agent: "echo",
    route: {
      capability: "echo",
      policy: "local",
      chosen: { service: "work", processId: "prc_1", epoch: 1 },
      reason: "",
      candidates: [],
    },
    deadline: 1,
    authority: { principal: "owner", operations: [], clientType: "cli" },
    maxAttempts: 1,
    depth: 0,
  });
  await append("another", others, { wish: "a secret" });
  await time.settle();
  await executions.stop(ctx);
  await log.stop(ctx);
  return store;
}

async function setup() {
  const t = await startTestSystem(definition, { store: await writtenByAnother() });
  const read = async (path: string, token = t.system.ownerToken) => {
    const request = new Request(`http://test.invalid${path}`, { headers: { authorization: `Bearer ${token}` } });
    const response = await t.settled(Promise.resolve(t.system.fetch(request)));
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return { t, read };
}

test("the list of executions has the others, and says which cannot be read and why", async () => {
  const { t, read } = await setup();
  const client = await t.connect();
  const { executionId } = await client.run("echo", { n: 1 });
  const page = executionPage.parse((await read("/v1/executions")).body);
  expect(page.executions).toMatchObject([{ executionId, result: { n: 1 } }]);
  expect(page.undecodable).toMatchObject([
    { executionId: unreadableEnd, undecodable: expect.stringContaining("execution.completed, version 2") },
    { executionId: unreadable, undecodable: expect.stringContaining("execution.accepted, version 1") },
  ]);
  // They count as any other where the page ends.
  const first = executionPage.parse((await read("/v1/executions?limit=2")).body);
  expect([first.executions.length, first.undecodable?.length]).toEqual([1, 1]);
  const rest = executionPage.parse((await read(`/v1/executions?limit=2&before=${first.next}`)).body);
  expect(rest.undecodable).toMatchObject([{ executionId: unreadable }]);
  // A session sees its own, and none is missing there.
  expect((await client.api.executions()).undecodable).toBeUndefined();
  await t.stop();
});

test("W11: asked for, one's own says why it cannot be read; another tenant's is not there", async () => {
  const { t, read } = await setup();
  expect(await read(`/v1/executions/${unreadable}`)).toMatchObject({
    status: 500,
    body: { code: "log.undecodable_event", detail: expect.stringContaining("execution.accepted") },
  });
  const { body } = await read(`/v1/executions/${idOf(4)}`);
  expect(await read(`/v1/executions/${others}`)).toEqual({ status: 404, body });
  await t.stop();
});

test("W11: to a session, what is another's and cannot be read is not there", async () => {
  const { t } = await setup();
  const { api } = await t.connect();
  await expect(t.settled(api.execution(unreadable))).rejects.toMatchObject({ code: "gateway.not_found" });
  await t.stop();
});
