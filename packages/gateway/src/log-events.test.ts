// Pages of the log whose events are large: none is more than fits memory, and reading on, either way, nothing is missing or comes twice.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import type { Position } from "@viable/log";
import { createLog, createMemoryStore, startPosition } from "@viable/log";
import { expect, test } from "vitest";
import { readLogEvents } from "./log-events.ts";

const mib = 1024 * 1024;
const count = 14;
/** A page's bound, and the event that goes beyond it. */
const maxBytes = 8 * mib + 2 * mib + 100;
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

async function setup() {
  const runtime = createRuntime({ clock: simulateTime() });
  const ctx = rootContext(runtime);
  const log = createLog(createMemoryStore(), runtime);
  await log.start(ctx);
  const text = "r".repeat(2 * mib);
  for (let nr = 0; nr < count; nr++) {
    const events = [{ type: nr % 2 === 0 ? "even" : "odd", data: { text } }];
    await log.append(ctx, { streams: [{ stream: "s", expected: nr, events }] });
  }
  const read = async (query: { after?: Position; before?: Position; types?: readonly string[] }) => {
    const { events, next } = await readLogEvents(ctx, log, {
      after: query.after,
      before: query.before,
      limit: 1_000,
      session: undefined,
      types: query.types,
    });
    expect(events.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0)).toBeLessThanOrEqual(maxBytes);
    return { events, next, versions: events.map((event) => event.version) };
  };
  return { read };
}

test.each([
  [undefined, upTo(count)],
  [["odd"], upTo(count).filter((version) => version % 2 === 0)],
] as const)(
  "W10: from a position on, of types %j, a page ends where it is full, and only an empty one is the end",
  async (types, wanted) => {
    const { read } = await setup();
    const versions: number[] = [];
    let pages = 0;
    for (let after = startPosition; ; pages++) {
      const page = await read({ after, ...(types !== undefined && { types }) });
      if (page.events.length === 0) break;
      versions.push(...page.versions);
      after = page.next;
    }
    expect(versions).toEqual(wanted);
    expect(pages).toBeGreaterThan(1);
  },
);

test("W10: the latest are those that fit, oldest first, and those before them are there to be asked for", async () => {
  const { read } = await setup();
  let versions: number[] = [];
  let pages = 0;
  for (let before: Position | undefined; ; pages++) {
    const page = await read(before === undefined ? {} : { before });
    if (pages === 0) expect(page.versions.at(-1)).toBe(count);
    if (page.events.length === 0) break;
    versions = [...page.versions, ...versions];
    before = page.events[0]?.position;
  }
  expect(versions).toEqual(upTo(count));
  expect(pages).toBeGreaterThan(1);
});
