// Pages whose large data is fetched after their rows, from a database that may be another by then.
import { storeUnavailable } from "@viable/log";
import { expect, test } from "vitest";
import { readPage } from "./read-page.ts";
import type { Row } from "./session.ts";

const rowOf = (position: number, data: string | null): Row => ({
  position,
  stream: "s",
  version: position,
  id: `e${position}`,
  type: "t",
  tenant: "acme",
  session: null,
  correlation: null,
  data,
  metadata: "{}",
  time: 1,
});

/** Reads a page of these rows, which are all there are unless `limit` is as many; of whose large ones this is found; and what was asked. */
async function read(rows: readonly Row[], found: readonly Row[], limit = 1_000) {
  const asked: unknown[] = [];
  const statement = { name: "page", text: "SELECT" };
  const page = await readPage(
    async ({ name }, params) => {
      asked.push([name, ...params]);
      return [...(name === "page" ? rows : found)];
    },
    { statement, params: ["1"] },
    limit,
  );
  return { events: page.events.map(({ id, data }) => [id, data]), isEnd: page.isEnd, asked };
}

test("a page without large data is one question", async () => {
  expect(await read([rowOf(1, "{}"), rowOf(2, "{}")], [])).toEqual({
    events: [
      ["e1", {}],
      ["e2", {}],
    ],
    isEnd: true,
    asked: [["page", "1"]],
  });
});

test("large data is asked for by its places, and the page ends before the first that does not fit", async () => {
  const rows = [rowOf(1, "{}"), rowOf(2, null), rowOf(3, "{}"), rowOf(4, null), rowOf(5, "{}")];
  const two = { id: "e2", data: '{"nr":2}' };
  const asked = [
    ["page", "1"],
    ["viable_read_large_data", "{2,4}"],
  ];
  const first = [
    ["e1", {}],
    ["e2", { nr: 2 }],
    ["e3", {}],
  ];
  expect(await read(rows, [two])).toEqual({ events: first, isEnd: false, asked });
  const whole = [...first, ["e4", { nr: 4 }], ["e5", {}]];
  expect(await read(rows, [two, { id: "e4", data: '{"nr":4}' }])).toEqual({
    events: whole,
    isEnd: true,
    asked,
  });
});

test("where as many rows came as were asked for, others may follow, with large data or without", async () => {
  const two = { id: "e2", data: '{"nr":2}' };
  expect(await read([rowOf(1, "{}"), rowOf(2, "{}")], [], 2)).toMatchObject({ isEnd: false });
  expect(await read([rowOf(1, "{}"), rowOf(2, null)], [two], 2)).toMatchObject({ events: [{}, {}], isEnd: false });
  expect(await read([rowOf(1, "{}"), rowOf(2, null)], [two], 3)).toMatchObject({ events: [{}, {}], isEnd: true });
});

test("where the database became another in between, no event gets another's data, and nobody asks the same for ever", async () => {
  const other = { id: "other", data: '{"nr":2}' };
  expect(await read([rowOf(1, "{}"), rowOf(2, null)], [other])).toMatchObject({
    events: [["e1", {}]],
    isEnd: false,
  });
  await expect(read([rowOf(2, null)], [other])).rejects.toMatchObject({ code: storeUnavailable, retryable: true });
});
