// That a note which has outlived its run, as one of a process that died while it wrote notes does, is found out and cleared away.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const prefix = "reactors/open/";

test("a process that starts looks at the run once, and neither lists it nor reads it again", async () => {
  const definition = reactor("naps", { input: z.unknown() }, (steps) =>
    steps.sleep("nap", { args: () => ({ forMs: 20_000 }) }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const [{ ctx, log }] = world.processes as [SimulatedProcess];
  const notes = () => world.settled(log.listRecords(ctx, prefix));
  const runId = await world.begin("naps", 1, "k");
  await world.time.advance(10_000);
  const [note] = await notes();
  expect(note?.key).toBe(prefix + runId);
  await world.finish(runId);
  // So that what has been noted says that all is known by now.
  await world.begin("naps", 1, "another");
  await world.time.advance(40_000);
  expect(await notes()).toEqual([]);
  const records = [{ key: prefix + runId, value: note?.value ?? null, expected: "any" as const }];
  expect(await world.settled(log.append(ctx, { records }))).toMatchObject({ ok: true });

  let reads = 0;
  const { readStreams } = world.store;
  world.store.readStreams = async (from, limits) => {
    reads += from.length;
    return await readStreams(from, limits);
  };
  world.processes[0]?.kill();
  const next = await world.start();
  await world.time.advance(60_000);
  expect(next.reactors.stats()).toMatchObject({ open: 0 });
  expect(reads).toBe(1);
  // Notes are written as others are begun.
  await world.begin("naps", 1, "one more");
  await world.time.advance(60_000);
  expect(await world.settled(next.log.listRecords(next.ctx, prefix))).toEqual([]);
});
