// The verdict of a running system may be another release's: what is shown of it must be there, and what it says besides is handed on.
import { expect, test } from "vitest";
import { readVerdict } from "./verify-log.ts";

const verdict = {
  sound: false,
  first: { position: "5", kind: "edited", seal: 1, detail: "it is not what it was" },
  findings: [{ kind: "of a later release", detail: "something else" }],
  head: "9",
  events: 9,
  seals: 1,
  sealedTo: "8",
  unsealed: 1,
  outside: 0,
  proven: [],
  notProven: ["much"],
};

test("a verdict is handed on as it is, with what a later release says besides", () => {
  const later = { ...verdict, witnesses: 3 };
  expect(readVerdict(later)).toEqual(later);
});

test("an answer that is no verdict is refused, with what is wrong with it and what to do", () => {
  for (const [answer, place] of [
    [{ ...verdict, sound: "yes" }, "sound"],
    [{ ...verdict, first: { position: 5, kind: "edited", detail: "" } }, "first.position"],
    [{ ...verdict, notProven: undefined }, "notProven"],
    [null, ""],
  ] as const)
    expect(() => readVerdict(answer)).toThrow(
      expect.objectContaining({
        code: "cli.unknown_answer",
        message: expect.stringContaining(place),
        next: expect.stringContaining("release"),
      }),
    );
});
