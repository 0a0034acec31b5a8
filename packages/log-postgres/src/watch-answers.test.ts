// When a connection that owes an answer is asked after, and given up.
import { EventEmitter } from "node:events";
import { simulateTime } from "@viable/kernel";
import type { ClientBase } from "pg";
import { expect, test } from "vitest";
import { watchAnswers } from "./watch-answers.ts";

class FakeSocket extends EventEmitter {
  bytesWritten = 0;
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

function setup(atWork: boolean | undefined) {
  const time = simulateTime();
  const startMs = time.now();
  const stream = new FakeSocket();
  const asked: number[] = [];
  /** What the driver does with an answer; whoever waited may ask the next in it. */
  let onAnswer = () => {};
  stream.on("data", () => onAnswer());
  watchAnswers({ connection: { stream } } as unknown as ClientBase, time, async () => {
    asked.push(time.now() - startMs);
    return atWork;
  });
  const ask = (bytes: number) => {
    stream.bytesWritten += bytes;
  };
  const answer = (then = () => {}) => {
    onAnswer = then;
    stream.emit("data");
  };
  return { time, stream, asked, ask, answer };
}

test("one that owes nothing is never asked after; one that owes for two seconds is given up, if the server knows of no work", async () => {
  const { time, stream, asked, ask, answer } = setup(false);
  await time.advance(60_000);
  ask(100);
  await time.advance(1_500);
  answer();
  await time.advance(60_000);
  expect(asked).toEqual([]);
  ask(100);
  await time.advance(3_000);
  expect(asked).toHaveLength(1);
  expect(stream.destroyed).toBe(true);
  await time.advance(60_000);
  expect(asked).toHaveLength(1);
});

test.each([true, undefined])(
  "one on which the server is at work, or nobody can say (%s), is asked after more and more seldom",
  async (atWork) => {
    const { time, stream, asked, ask, answer } = setup(atWork);
    ask(100);
    await time.advance(15_000);
    expect(asked).toEqual([3_000, 5_000, 9_000]);
    answer();
    ask(100);
    await time.advance(3_000);
    expect(asked).toHaveLength(4);
    expect(stream.destroyed).toBe(false);
  },
);

test("what is asked in an answer is owed from then on", async () => {
  const { time, stream, ask, answer } = setup(false);
  ask(100);
  await time.advance(500);
  answer(() => ask(100));
  await time.advance(3_000);
  expect(stream.destroyed).toBe(true);
});

test("a large statement has time to be sent, at a megabyte a second", async () => {
  const { time, asked, ask } = setup(false);
  ask(8_000_000);
  await time.advance(9_500);
  expect(asked).toEqual([]);
  await time.advance(1_500);
  expect(asked).toHaveLength(1);
});
