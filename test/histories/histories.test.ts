/**
 * What was ever written can still be read, and means what it meant: every version of every type of event stands in a recorded history,
 * every event of them decodes, and every stream folds to what was written down beside it.
 */
import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { eventTypes } from "viable/run";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { foldHistory, readHistories, shapeOf, writtenShapes } from "./history.ts";
import { walks } from "./walks.ts";

const histories = readHistories();
const recorded = new Set(histories.flatMap(({ events }) => events.map(shapeOf)));
const findMissing = (types: readonly EventType[]) => writtenShapes(types).filter((shape) => !recorded.has(shape));

test("every version of every type of event stands in a history", () => {
  expect(
    findMissing(eventTypes),
    "No history has these (type and version). Record one: test/histories/README.md says how.",
  ).toEqual([]);
});

// Of what there is most: a member that came later has no version of its own to be missed by.
test("every member that an event of an execution can have stands in a history", () => {
  const events = histories.flatMap((history) => history.events);
  for (const { type, schema } of eventTypes.filter(({ type }) => type.startsWith("execution."))) {
    if (!(schema instanceof z.ZodObject)) throw new Error(`${type} is no object: nobody knows its members.`);
    const members = events.flatMap((event) => (event.type === type ? Object.keys(event.data as object) : []));
    expect(new Set(members), type).toEqual(new Set(Object.keys(schema.shape)));
  }
});

test.each(histories)("$name folds to what was written down beside it", async ({ events, expected }) => {
  expect(await foldHistory(events)).toEqual(expected);
});

test.each(Object.keys(walks))("the walk %s is still gone, and what it writes today can be folded", async (name) => {
  const events = await walks[name]?.();
  const streams = new Set(events?.map(({ stream }) => stream));
  expect(streams.size).toBeGreaterThan(1);
  expect(new Set(Object.keys(await foldHistory(events ?? [])))).toEqual(streams);
});

describe("a change that breaks what was written is found", () => {
  const replaced = (name: string, schema: z.ZodType, upcasts: EventType["upcasts"] = []) =>
    eventTypes.map((type) => (type.type === name ? eventType(name, schema, upcasts) : type));
  const outcomes = histories.find(({ name }) => name === "outcomes");

  test("a field that is wanted now and was not there", async () => {
    const types = replaced("execution.failed", z.object({ error: z.object({ severity: z.number() }) }));
    await expect(foldHistory(outcomes?.events ?? [], types)).rejects.toMatchObject({
      code: "log.undecodable_event",
      details: { type: "execution.failed" },
    });
  });

  test("a type that is known no more", async () => {
    const types = eventTypes.filter(({ type }) => type !== "session.ended");
    await expect(foldHistory(outcomes?.events ?? [], types)).rejects.toMatchObject({ code: "log.undecodable_event" });
  });

  test("an upcast that makes something else of it", async () => {
    const types = replaced("execution.failed", z.object({}), [
      () => ({ error: { code: "lost", message: "", retryable: false } }),
    ]);
    expect(await foldHistory(outcomes?.events ?? [], types)).not.toEqual(outcomes?.expected);
  });

  test("a type, or a version of one, of which no event was recorded", () => {
    const raised = eventTypes.map((type) =>
      type.type === "session.ended" ? eventType(type.type, type.schema, [...type.upcasts, (data) => data]) : type,
    );
    const next = raised.find(({ type }) => type === "session.ended")?.version;
    expect(findMissing([...raised, eventType("never.written", z.object({}))])).toEqual([
      `session.ended ${next}`,
      "never.written 1",
    ]);
  });
});
