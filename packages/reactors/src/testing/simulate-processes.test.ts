// That a simulated process which is stopped, dead or cut off learns nothing of its database, whatever it asks.
import { startPosition, storeUnavailable } from "@viable/log";
import { expect, test } from "vitest";
import type { ProcessWorld, SimulatedProcess } from "./simulate-processes.ts";
import { simulateProcesses } from "./simulate-processes.ts";

const parked = { type: "run.parked", data: { reason: "none" } };
const questions: [name: string, ask: (process: SimulatedProcess) => Promise<unknown>][] = [
  ["readAll", ({ log, ctx }) => log.readAll(ctx, { from: startPosition })],
  ["readStream", ({ log, ctx }) => log.readStream(ctx, "s")],
  ["readStreams", ({ log, ctx }) => log.readStreams(ctx, [{ stream: "s", fromVersion: 1 }])],
  ["head", ({ log, ctx }) => log.head(ctx)],
  ["getRecord", ({ log, ctx }) => log.getRecord(ctx, "k")],
  ["listRecords", ({ log, ctx }) => log.listRecords(ctx, "k")],
  ["append", ({ log, ctx }) => log.append(ctx, { streams: [{ stream: "s", expected: "any", events: [parked] }] })],
];

/** Asks, and says whether there is an answer a while later. */
async function isAnswered(world: ProcessWorld, asked: Promise<unknown>): Promise<boolean> {
  let isThere = false;
  void asked.then(() => {
    isThere = true;
  });
  await world.time.advance(500);
  return isThere;
}

const start = async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [] });
  return { world, process: world.processes[0] as SimulatedProcess };
};

test.each(questions)("%s is answered to a stopped process once it goes on, and to a dead one never", async (_, ask) => {
  const { world, process } = await start();
  expect(await isAnswered(world, ask(process))).toBe(true);
  process.pause();
  const asked = ask(process);
  expect(await isAnswered(world, asked)).toBe(false);
  await process.resume();
  expect(await isAnswered(world, asked)).toBe(true);
  process.kill();
  expect(await isAnswered(world, ask(process))).toBe(false);
});

test.each(questions.filter(([name]) => name !== "append"))("%s fails while a process is cut off", async (_, ask) => {
  const { world, process } = await start();
  process.link.up = false;
  await expect(world.settled(ask(process))).rejects.toMatchObject({ code: storeUnavailable, retryable: true });
  process.link.up = true;
  await world.settled(ask(process));
});
