// Reactors on the command line: begun, watched, decided on and taken back, by the real command against one real system on the embedded
// database, which is killed in the middle of a run.
import type { ApprovalList, EventView, ReactorList, RunPage, RunView } from "@viable/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { eventually, Place, type Running } from "./cli.ts";

const config = `
import { agent, defineSystem, reactor, service } from "viable";
import { z } from "zod";

const order = reactor(
  "order",
  { input: z.strictObject({ amount: z.number() }), description: "Reserves, asks and packs.", reversible: true },
  (steps) =>
    steps
      .step("reserve", { args: ({ input }) => ({ amount: input.amount }), run: (_ctx, args) => args, undo: () => undefined })
      .approval("large", { title: "Send so much?", after: ["reserve"], args: ({ input }) => ({ details: input }) })
      .task("pack", { capability: "pack", after: ["large"], args: ({ input }) => ({ amount: input.amount }) })
      .returns(({ results }) => ({ packed: results.pack })),
);
const around = reactor("around", { input: z.strictObject({ amount: z.number() }) }, (steps) =>
  steps.compose("inner", order, { args: ({ input }) => input }).returns(({ results }) => results.inner),
);
const wait = reactor("wait", { input: z.strictObject({ order: z.string() }) }, (steps) =>
  steps
    .waitFor("paid", { event: "paid", args: ({ input }) => ({ key: input.order }) })
    .returns(({ results }) => results.paid),
);
const unsure = reactor("unsure", { input: z.strictObject({}) }, (steps) =>
  steps
    .step("wire", { idempotent: false, timeoutMs: 50, run: () => new Promise(() => {}) })
    .returns(({ results }) => results.wire),
);
const packer = agent({
  name: "packer",
  capability: "pack",
  description: "Packs.",
  input: z.strictObject({ amount: z.number() }),
  handle: (_ctx, { amount }) => amount,
});

export default defineSystem({
  name: "shop",
  services: [service({ name: "store", description: "Packs.", port: 0, agents: [packer] })],
  reactors: [order, around, wait, unsure],
});
`;

const place = new Place(config);
let system: Running;

beforeAll(async () => {
  system = await place.start();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

const begin = async (name: string, input: object, ...words: string[]): Promise<string> =>
  (await place.json<{ runId: string }>("reactors", "start", name, "--input", JSON.stringify(input), ...words)).runId;
const show = (id: string) => place.json<RunView>("reactors", "show", id);
const standsAs = (id: string, status: RunView["status"]) =>
  eventually(
    async () => (await show(id)).status === status,
    () => `${id} did not become ${status}.`,
  );
const approvalOf = async (id: string): Promise<string> => {
  let found: string | undefined;
  await eventually(
    async () => {
      const { approvals } = await place.json<ApprovalList>("approvals", "list");
      found = approvals.find(({ runId }) => runId === id)?.approvalId;
      return found !== undefined;
    },
    () => `${id} asked for nothing.`,
  );
  return found ?? "";
};

test("reactors are listed and drawn", async () => {
  const { reactors } = await place.json<ReactorList>("reactors", "list");
  expect(reactors.map(({ name }) => name)).toEqual(["around", "order", "unsure", "wait"]);
  expect((await place.run("reactors", "list")).out).toMatch(/^order +1 +[0-9a-f]{16} +3 +0 +Reserves/m);
  const drawn = await place.run("reactors", "graph", "order");
  expect(drawn.status).toBe(0);
  for (const step of ["reserve", "large", "pack"]) expect(drawn.out).toContain(step);
  const unknown = await place.run("reactors", "graph", "ordre");
  expect(unknown).toMatchObject({ status: 1, out: "" });
  expect(unknown.err).toContain("There are around, order, unsure, wait.");
  expect(await place.json("config", "check")).toMatchObject({ ok: true, reactors: 4 });
});

test("a run that waits for a person ends the waiting with 5, and still waits after a kill of the system", async () => {
  const waited = await place.run("reactors", "start", "order", "--input", '{"amount": 30}', "--key", "o-1", "--wait");
  expect(waited).toMatchObject({ status: 5, out: "" });
  const id = /run_\w+/.exec(waited.err)?.[0] ?? "";
  expect(waited.err).toContain("waits for a person at large: Send so much?");
  expect(waited.err).toMatch(/viable approvals decide apr_\w+ yes\|no/);

  system.signal("SIGKILL");
  await system.finished;
  system = await place.start();
  expect(await begin("order", { amount: 30 }, "--key", "o-1")).toBe(id);
  const shown = await place.run("reactors", "show", id);
  expect(shown.out).toMatch(/^reserve +succeeded +1 +\d+ ms /m);
  expect(shown.out).toMatch(/^large +waiting .*approval apr_\w+ \(Send so much\?\)/m);
});

test("it is watched to its end as somebody decides, and undone", async () => {
  const id = await begin("order", { amount: 30 }, "--key", "o-1");
  const watch = place.begin("reactors", "watch", id, "--output", "json");
  await watch.saw("viable approvals decide");
  const approvalId = await approvalOf(id);
  const decided = await place.json("approvals", "decide", approvalId, "yes", "--reason", "fine");
  expect(decided).toMatchObject({ decision: "approved", runId: id });
  const watched = await watch.finished;
  expect(watched.status).toBe(0);
  const events = watched.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as EventView);
  expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1));
  expect([events.at(0)?.type, events.at(-1)?.type]).toEqual(["run.started", "run.completed"]);
  expect(await place.json("reactors", "undo", id, "--reason", "sent back")).toEqual({ runId: id });
  await standsAs(id, "compensated");
  const undone = await place.run("reactors", "undo", id);
  expect(undone.status).toBe(1);
  expect(undone.err).toContain("reactor.order_refused");
});

test("what a composed run asks for is told of the run around it; a no ends it with 1", async () => {
  const waited = await place.run("reactors", "start", "around", "--input", '{"amount": 1}', "--wait");
  expect(waited.status).toBe(5);
  const id = /run_\w+/.exec(waited.err)?.[0] ?? "";
  const [inner] = (await show(id)).waitsFor.map(({ wait }) => wait);
  const watch = place.begin("reactors", "watch", id);
  await place.run(
    "approvals",
    "decide",
    await approvalOf((inner as { runId: string }).runId),
    "no",
    "--reason",
    "too little",
  );
  const watched = await watch.finished;
  expect(watched.status).toBe(1);
  expect(watched.err).toContain("too little");
});

test("what is sent reaches a run that waits for it, and its result is printed", async () => {
  const started = place.begin("reactors", "start", "wait", "--input", '{"order": "7"}', "--wait", "--output", "yaml");
  await started.saw("has begun");
  await place.run("reactors", "send", "paid", "7", "--payload", '{"amount": 30}');
  const done = await started.finished;
  expect(done.status).toBe(0);
  expect(parseYaml(done.out)).toEqual({ amount: 30 });
});

test("a run that needs a person goes on as the person says, and a cancelled one ends with 1", async () => {
  const waited = await place.run("reactors", "start", "unsure", "--wait");
  expect(waited.status).toBe(5);
  const id = /run_\w+/.exec(waited.err)?.[0] ?? "";
  expect(waited.err).toContain(`viable reactors resume ${id}`);
  const { runs } = await place.json<RunPage>("reactors", "runs", "--status", "needs_review");
  expect(runs.map(({ runId }) => runId)).toEqual([id]);
  await place.json("reactors", "resume", id, "--decision", "done", "--result", '"arrived"', "--reason", "seen");
  await standsAs(id, "completed");
  const cancelled = await begin("wait", { order: "8" });
  expect((await place.run("reactors", "cancel", cancelled, "--reason", "enough")).status).toBe(0);
  const watched = await place.run("reactors", "watch", cancelled);
  expect(watched.status).toBe(1);
  expect(watched.err).toContain(`${cancelled} is cancelled`);
});

test("runs are listed with what they wait for, and their events are in the log", async () => {
  const id = await begin("wait", { order: "9" });
  await standsAs(id, "waiting");
  const listed = (await place.run("reactors", "runs", "--reactor", "wait", "--limit", "1")).out;
  expect(listed).toMatch(new RegExp(`^${id} +wait +waiting +paid: event paid of 9`, "m"));
  const follow = place.begin("events", "--follow", "--type", "run.*,step.*", "--output", "json");
  await follow.saw(`run:${id}`);
  expect((await place.run("reactors", "send", "paid", "9")).status).toBe(0);
  // What was before is shown, too, ends of other runs among it.
  const isItsEnd = (line: string) => line.includes(`run:${id}`) && line.includes("run.completed");
  await eventually(
    () => follow.out().split("\n").some(isItsEnd),
    () => `The end of ${id} was not shown. ${follow.out()}`,
  );
  follow.signal("SIGINT");
  expect((await follow.finished).status).toBe(130);
});

test("what is not there, and what does not fit, end with 1 or 2", async () => {
  expect((await place.run("reactors", "show", "run_nothing")).status).toBe(1);
  expect((await place.run("reactors", "watch", "run_nothing")).status).toBe(1);
  const unknown = await place.run("reactors", "start", "ordre");
  expect(unknown.status).toBe(1);
  expect(unknown.err).toContain("Near it are order");
  const wrong = await place.run("reactors", "start", "order", "--input", '{"amount": "many"}');
  expect(wrong.err).toContain("input.amount");
});
