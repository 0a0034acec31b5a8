import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";

const input = z.unknown();

test.for([Number.NaN, -5, 0, Number.POSITIVE_INFINITY, 1e300])(
  "a run's time is checked where it is defined: %d",
  (timeoutMs) => {
    expect(() =>
      reactor("timed", { input, timeoutMs }, (steps) => steps.step("a", { run: () => 1 }).returns(() => 1)),
    ).toThrow(/timeoutMs/);
  },
);
