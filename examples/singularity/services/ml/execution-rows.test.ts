import { expect, test } from "vitest";
import { toRows } from "./execution-rows.ts";

const at = (second: number): string => new Date(second * 1_000).toISOString();
const ran = (command: string, from: number, to?: number) => ({
  command,
  acceptedAt: at(from),
  ...(to !== undefined && { endedAt: at(to) }),
});

test("a row has only what was known when the execution was accepted", () => {
  const { featureNames, features, labels } = toRows([
    ran("b", 5, 7),
    ran("a", 0, 4),
    ran("a", 2, 10),
    ran("b", 12, 13),
    ran("a", 6),
    ran("a", 9, 8),
    ran("c", 12, 12),
  ]);
  expect(featureNames).toEqual(["command:a", "command:b", "command:c", "underWay", "typicalMs"]);
  expect(features).toEqual([
    [1, 0, 0, 0, 0],
    [1, 0, 0, 1, 0],
    [0, 1, 0, 1, 4_000],
    [0, 1, 0, 0, 2_000],
    [0, 0, 1, 1, (4_000 + 8_000 + 2_000) / 3],
  ]);
  expect(labels).toEqual([4_000, 8_000, 2_000, 1_000, 0]);
});

test("of many commands the commonest have a feature of their own", () => {
  const { featureNames } = toRows(Array.from({ length: 60 }, (_, index) => ran(`c${index % 25}`, index, index + 1)));
  expect(featureNames).toHaveLength(22);
  expect(toRows([])).toEqual({ featureNames: ["underWay", "typicalMs"], features: [], labels: [] });
});
