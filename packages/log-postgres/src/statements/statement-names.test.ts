// Both drivers prepare a statement under its name, of which PostgreSQL takes no more than 63 bytes and cuts off the rest: two that are alike
// up to there would be one, and the second refused each time.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Statement } from "../session.ts";
import { appendKnownTo } from "./append-known.ts";
import { readAll } from "./read-all.ts";
import { readStream } from "./read-stream.ts";
import { listRecords } from "./records.ts";

const maxNameBytes = 63;

const directions = ["forward", "backward"] as const;
/** One for each size of page that there is a statement for, up to ten times what the log asks for at most. */
const limits = [1, 10, 100, 1_000, 10_000, 100_000];

/** Every combination of conditions. */
const filters = [
  { tenant: "t" },
  { session: "s" },
  { correlation: "c" },
  { streamPrefix: "p" },
  { types: ["x"] },
].reduce((all, condition) => all.flatMap((filter) => [filter, { ...filter, ...condition }]), [{}]);

const isStatement = (exported: unknown): exported is Statement =>
  typeof exported === "object" && exported !== null && "name" in exported && "text" in exported;

/** Those that are always the same. */
async function fixedStatements(): Promise<Statement[]> {
  const files = (await readdir(import.meta.dirname)).filter((file) => !file.endsWith(".test.ts"));
  const modules = await Promise.all(files.map((file) => import(join(import.meta.dirname, file))));
  return modules.flatMap((module) => Object.values(module)).filter(isStatement);
}

/** Those that are made for what is asked. */
function madeStatements(): Statement[] {
  const pages = limits.flatMap((limit) =>
    directions.flatMap((direction) => [
      readStream("s", 1, limit, direction),
      ...filters.map((filter) => readAll(0, limit, direction, filter)),
    ]),
  );
  const event = {
    id: "e",
    type: "t",
    data: "{}",
    tenant: "d",
    session: null,
    correlation: null,
    metadata: "{}",
    time: 1,
  };
  const appends = [[event], [event, event]].map((events) =>
    appendKnownTo([{ streams: [{ stream: "s", expected: 0, events }], records: [] }], [0], "c", 0),
  );
  const lists = ["prefix", ""].map((prefix) => listRecords(prefix, "", 1, 0));
  return [...pages, ...appends, ...lists].flatMap((query) => query?.statement ?? []);
}

test("each statement has a name of its own that PostgreSQL keeps whole", async () => {
  const made = madeStatements();
  expect(new Set(made.map(({ text }) => text)).size).toBe(limits.length * directions.length * (filters.length + 1) + 4);
  const textOf = new Map<string, string>();
  for (const { name, text } of [...(await fixedStatements()), ...made]) {
    expect(Buffer.byteLength(name), name).toBeLessThanOrEqual(maxNameBytes);
    expect(textOf.get(name) ?? text, name).toBe(text);
    textOf.set(name, text);
  }
});
