/** Series whose future is known, because the rule that made them goes on. */
import { seededRandom } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { type Forecast, forecast } from "../forecast.ts";
import { forecaster } from "./forecaster.ts";

async function forecastOf(series: number[], horizon = 3): Promise<Forecast> {
  await using bench = await openBench();
  return (await bench.run(forecaster, { series, horizon })) as unknown as Forecast;
}

const seriesOf = (length: number, rule: (index: number) => number): number[] =>
  Array.from({ length }, (_, index) => rule(index));

followsInput(forecaster, "a straight line goes on, and what swings about a level stays at the level", async (bench) => {
  const line = await bench.run(forecaster, { series: seriesOf(30, (index) => 5 + 2 * index), horizon: 3 });
  expect(line).toMatchObject({
    method: "holt",
    origin: "back_test",
    backTest: { setUpOn: 20, chosenBy: 5, measuredOn: 5 },
  });
  const [a = 0, b = 0, c = 0] = line.forecast as number[];
  expect([a, b, c].map((value) => Math.round(value * 1e6) / 1e6)).toEqual([65, 67, 69]);
  expect(line.errors).toMatchObject([
    // Of steps of 2, one step ahead is off by 2, two by 4, three by 6; of five forecasts four reach two steps, three three.
    { method: "naive", mae: (5 * 2 + 4 * 4 + 3 * 6) / 12, mase: (5 * 2 + 4 * 4 + 3 * 6) / 12 / 2 },
    { method: "moving_average", settings: { length: 2 } },
    { method: "holt" },
  ]);

  // The naive method is off by 2 each time, the mean of two by 1.
  const series = seriesOf(40, (index) => (index % 2 === 0 ? 9 : 11));
  const swing = await bench.run(forecaster, { series, horizon: 1 });
  expect(swing).toMatchObject({ method: "moving_average", forecast: [10], errorByStep: [1] });
  expect(swing.errors).toMatchObject([
    { mae: 2, mase: 1 },
    { settings: { length: 2 }, mae: 1, mase: 0.5 },
    { method: "holt" },
  ]);
  return [line, swing];
});

describe("which method is chosen", () => {
  test("for a series that never changes the simplest, and no error is made up from a step of nothing", async () => {
    expect(await forecastOf(seriesOf(20, () => 7))).toMatchObject({
      method: "naive",
      forecast: [7, 7, 7],
      errors: [{ mae: 0, mase: null }, { mae: 0 }, { mae: 0 }],
    });
  });

  test("for noise about a level the mean, not the latest value", async () => {
    const random = seededRandom(3);
    const { method, forecast, errors } = await forecastOf(seriesOf(300, () => 50 + random.next() * 10));
    expect(method).toBe("moving_average");
    expect(forecast[0]).toBeGreaterThan(52);
    expect(forecast[0]).toBeLessThan(58);
    expect(errors[1]?.mae).toBeLessThan(errors[0]?.mae ?? 0);
  });

  test("for steps that go anywhere from where they are nothing is much better than the latest value", async () => {
    const random = seededRandom(4);
    let at = 0;
    const { errors } = await forecastOf(
      seriesOf(400, () => (at += random.next() - 0.5)),
      1,
    );
    for (const { mase } of errors) expect(mase).toBeGreaterThan(0.95);
  });
});

test("too few values are answered with the reason and no forecast", async () => {
  expect(await forecastOf(seriesOf(11, (index) => index))).toEqual({
    origin: "none",
    reason: "11 values are too few to find a method by: 12 are needed.",
    forecast: [],
    errors: [],
  });
  expect(await forecastOf(seriesOf(12, (index) => index))).toMatchObject({ origin: "back_test" });
});

test("steps that the series is too short to try have no error", async () => {
  const { errorByStep, forecast } = await forecastOf(
    seriesOf(12, (index) => index),
    6,
  );
  expect(forecast).toHaveLength(6);
  expect(errorByStep?.map((each) => each === null)).toEqual([false, false, false, true, true, true]);
});

test("what a method is set up by does not know the part that it is tried on", async () => {
  const random = seededRandom(5);
  const past = seriesOf(40, () => random.next());
  const settingsWith = async (tail: number[]) =>
    (await forecastOf([...past, ...tail])).errors.map((each) => each.settings);
  const rising = await settingsWith(seriesOf(20, (index) => 100 * index));
  expect(rising).toEqual(await settingsWith(seriesOf(20, (index) => (index % 3) * 1_000)));
});

test("the errors are of values that the choice has not seen: a law that ends after it is told by them, and changes no choice", async () => {
  // Until the choice is made it is a line; then it stands where it is.
  const ending = await forecastOf(seriesOf(30, (index) => 2 * Math.min(index, 24)));
  expect(ending).toMatchObject({ method: "holt", backTest: { setUpOn: 20, chosenBy: 5, measuredOn: 5 } });
  const [naive, , holt] = ending.errors;
  expect(holt?.choiceMae).toBeCloseTo(0, 6);
  expect(naive?.choiceMae).toBeCloseTo((5 * 2 + 4 * 4 + 3 * 6) / 12, 6);
  expect(naive?.mae).toBe(0);
  expect(holt?.mae).toBeGreaterThan(0.5);
  expect(ending.errorByStep?.[0]).toBeGreaterThan(0.1);
});

test("what the choice saw flatters the chosen method, what is told of it does not", () => {
  const random = seededRandom(9);
  const { signal } = new AbortController();
  const chosen = Array.from({ length: 300 }, () => {
    const noise = seriesOf(30, () => random.next());
    const { method, errors } = forecast(noise, 1, signal);
    return errors.find((each) => each.method === method);
  });
  const mean = (of: "choiceMae" | "mae") => chosen.reduce((sum, each) => sum + (each?.[of] ?? 0), 0) / chosen.length;
  expect(mean("mae")).toBeGreaterThan(mean("choiceMae") + 0.01);
});

test("whatever the series, the chosen method had the least error where it was chosen and the forecast is finite", async () => {
  await using bench = await openBench();
  const values = fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { minLength: 12, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(values, async (series) => {
      const { method, errors, forecast } = (await bench.run(forecaster, { series })) as unknown as Forecast;
      const chosen = errors.find((each) => each.method === method)?.choiceMae ?? Number.NaN;
      for (const { choiceMae } of errors) expect(chosen).toBeLessThanOrEqual(choiceMae * (1 + 1e-8));
      expect(forecast.every(Number.isFinite)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test.for([{}, { series: [] }, { series: [1, "2"] }, { series: [1], horizon: 0 }, { series: [1e300] }])(
  "%j does not fit",
  (args) => {
    expect(forecaster.input.safeParse(args).success).toBe(false);
  },
);
