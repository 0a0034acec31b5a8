// Folding a stream: with a snapshot the same state comes of fewer events, and nothing depends on the snapshot being there.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import { createLog } from "./create-log.ts";
import type { StreamFold } from "./fold-stream.ts";
import { foldStream } from "./fold-stream.ts";
import { maxPageBytes } from "./log-page.ts";
import { createMemoryStore } from "./memory-store.ts";

interface Sum {
  readonly sum: number;
  readonly last?: string | undefined;
}

const sum: StreamFold<Sum> = {
  name: "sum",
  version: 1,
  fold: (state, { data }) => ({ sum: (state?.sum ?? 0) + Number(data.amount), last: undefined }),
};

async function setup() {
  const clock = simulateTime();
  const ctx = rootContext(createRuntime({ clock }));
  const memory = createMemoryStore();
  const reads: number[] = [];
  const log = createLog(
    {
      ...memory,
      async readStream(...args) {
        const page = await memory.readStream(...args);
        reads.push(page.events.length);
        return page;
      },
    },
    ctx.runtime,
  );
  await log.start(ctx);
  const append = async (count: number) => {
    for (let left = count; left > 0; left -= 500) {
      const events = Array.from({ length: Math.min(500, left) }, () => ({ type: "paid", data: { amount: 1 } }));
      await log.append(ctx, { streams: [{ stream: "payments", expected: "any", events }] });
    }
  };
  const fold = async (by = sum) => {
    reads.length = 0;
    const { state, version } = await foldStream(ctx, log, "payments", by);
    return { sum: state?.sum, version, read: reads.reduce((total, each) => total + each, 0) };
  };
  return { clock, ctx, log, append, fold };
}

test("a stream that is not there has no state, and a short one is read whole", async () => {
  const { append, fold } = await setup();
  expect(await fold()).toEqual({ sum: undefined, version: 0, read: 0 });
  await append(1_000);
  expect(await fold()).toEqual({ sum: 1_000, version: 1_000, read: 1_000 });
  expect(await fold()).toEqual({ sum: 1_000, version: 1_000, read: 1_000 });
});

test("a long one is read from its snapshot on, but for its first page, and gets another when it has grown", async () => {
  const { append, fold } = await setup();
  await append(2_500);
  expect(await fold()).toEqual({ sum: 2_500, version: 2_500, read: 2_500 });
  await append(700);
  expect(await fold()).toEqual({ sum: 3_200, version: 3_200, read: 1_000 + 700 });
  await append(500);
  expect(await fold()).toEqual({ sum: 3_700, version: 3_700, read: 1_000 + 1_200 });
  expect(await fold()).toEqual({ sum: 3_700, version: 3_700, read: 1_000 });
});

test("snapshots of another fold, and old ones, are left aside", async () => {
  const { clock, append, fold } = await setup();
  await append(2_500);
  await fold();
  const doubled: StreamFold<Sum> = {
    ...sum,
    version: 2,
    fold: (state, event) => ({ sum: (state?.sum ?? 0) + 2 * Number(event.data.amount) }),
  };
  expect(await fold(doubled)).toEqual({ sum: 5_000, version: 2_500, read: 2_500 });
  expect(await fold(doubled)).toEqual({ sum: 5_000, version: 2_500, read: 1_000 });
  await clock.advance(8 * 24 * 3_600_000);
  expect(await fold(doubled)).toEqual({ sum: 5_000, version: 2_500, read: 2_500 });
});

test("a state too large for a snapshot, or a name too long, is folded without", async () => {
  const { append, fold } = await setup();
  await append(2_500);
  const large: StreamFold<Sum> = {
    ...sum,
    fold: (state, event) => ({ ...(sum.fold(state, event) as Sum), last: "x".repeat(1024 * 1024) }),
  };
  const longName = { ...sum, name: "n".repeat(512) };
  for (const unkept of [large, large, longName, longName])
    expect(await fold(unkept)).toMatchObject({ sum: 2_500, read: 2_500 });
});

test("a stream of large events is read to its end, though no page of it is full", async () => {
  const { ctx, log, fold } = await setup();
  for (let nr = 0; nr < 7; nr++) {
    const data = { amount: 1, text: "x".repeat(maxPageBytes / 3) };
    await log.append(ctx, { streams: [{ stream: "payments", expected: nr, events: [{ type: "paid", data }] }] });
  }
  expect(await fold()).toEqual({ sum: 7, version: 7, read: 7 });
});
