// No more read at once than may, each in its turn, and a failure gives its place on.
import { expect, test } from "vitest";
import { createPageReaders } from "./page-readers.ts";

test("as many as may read at once do, and the others in the order in which they came", async () => {
  const readers = createPageReaders(2);
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const all = [0, 1, 2, 3, 4].map((n) => {
    const end = Promise.withResolvers<void>();
    ends.push(end);
    return readers.read(async () => {
      begun.push(n);
      await end.promise;
      if (n === 1) throw new Error("unreadable");
      return n;
    });
  });
  const results = Promise.allSettled(all);
  expect(begun).toEqual([0, 1]);
  ends[1]?.resolve();
  await expect.poll(() => begun).toEqual([0, 1, 2]);
  for (const end of ends) end.resolve();
  expect((await results).map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
    "fulfilled",
  ]);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  expect(await readers.read(async () => "free again")).toBe("free again");
});
