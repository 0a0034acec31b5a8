// That a note which has outlived its run, as one of a process that died while it wrote notes does, is found out and cleared away.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const prefix = "reactors/open/";

const naps = reactor("naps", { input: z.unknown() }, (steps) =>
  steps.sleep("nap", { args: () => ({ forMs: 20_000 }) }).returns(() => 1),
);
const other = reactor("other", { input: z.unknown() }, (steps) => steps.step("a", { run: () => 1 }).returns(() => 1));

test.each([
  ["that has its definition", naps],
  ["that has not", other],
])(
  "a process %s looks at the run once as it starts, and neither lists it nor reads it again",
  async (_, definition) => {
    const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [naps] });
    const [{ ctx, log }] = world.processes as [SimulatedProcess];
    const notes = async () => (await world.settled(log.listRecords(ctx, prefix))).records;
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
    const { readStreams, readStream } = world.store;
    world.store.readStreams = async (from, limits) => {
      reads += from.length;
      return await readStreams(from, limits);
    };
    world.store.readStream = async (...args) => {
      reads += 1;
      return await readStream(...args);
    };
    world.processes[0]?.kill();
    const next = await world.start([definition]);
    await world.time.advance(60_000);
    expect(next.reactors.stats()).toMatchObject({ open: 0 });
    expect(reads).toBe(1);
    // Notes are written as others are begun.
    await world.settled(next.reactors.begin(next.ctx, definition.name, 1));
    await world.time.advance(60_000);
    expect((await world.settled(next.log.listRecords(next.ctx, prefix))).records).toEqual([]);
  },
);
