// Where on a NATS the messages of one system are.
import { describe, expect, test } from "vitest";
import { createBusSubjects } from "./bus-subjects.ts";

const subjects = createBusSubjects("viable", "bus1");

describe("createBusSubjects", () => {
  test("keeps everything under the prefix, and finds it again", () => {
    expect(subjects.toMessages("a.*.>")).toBe("viable.m.a.*.>");
    expect(subjects.fromMessages("viable.m.a.b")).toBe("a.b");
    expect(subjects.fromInbox(subjects.toInbox("x1"))).toBe("x1");
  });

  test("names a queue by its pattern and group, whatever they are called, in one short token", () => {
    const names = [
      ["a", "g"],
      ["a.*", "g"],
      ["a", "g2"],
      ["a.b", "c d"],
      ["a.b", "x".repeat(10_000)],
      ["a", ""],
    ].map(([pattern, group]) => subjects.toQueue(pattern as string, group as string));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{32}$/);
  });

  test("knows inboxes of this system from everything else that a sender may name", () => {
    expect(subjects.isInbox("viable.r.bus2.1")).toBe(true);
    for (const other of ["_INBOX.x", "$SYS.x", "viable.m.a", "viable.p", "other.r.bus2.1", ""])
      expect(subjects.isInbox(other)).toBe(false);
  });

  test.each(["", "a b", "$SYS", "_x", "a.*", "a..b", "x".repeat(101)])("refuses the prefix %j", (prefix) => {
    expect(() => createBusSubjects(prefix, "bus1")).toThrow(expect.objectContaining({ code: "bus.invalid_subject" }));
  });
});
