/** A capability is one promise, whichever service keeps it. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent } from "./agent.ts";
import { createCatalogue } from "./catalogue.ts";
import { service } from "./service.ts";

const offering = (
  name: string,
  input: z.ZodType,
  more: { risk?: "low" | "high"; joinable?: boolean; rememberMs?: number } = {},
) =>
  service({
    name,
    description: "Scans.",
    port: 0,
    agents: [agent({ name: "scanner", capability: "scan", description: "Scans.", input, handle: () => null, ...more })],
  });

const input = () => z.strictObject({ path: z.string(), depth: z.number().default(3) });

describe("two services that offer the same capability", () => {
  test.each<[string, z.ZodType]>([
    ["the same", input()],
    ["the same, in another order", z.strictObject({ depth: z.number().default(3), path: z.string() })],
    ["the same, in other words for people", input().describe("Where to look.")],
    [
      "the same, made into something else inside",
      z.strictObject({ ...input().shape, path: z.string().transform(Number) }),
    ],
  ])("agree where they take %s", (_what, other) => {
    const catalogue = createCatalogue([offering("one", input()), offering("two", other)]);
    expect(catalogue.find("scan", "acme").map((offer) => offer.service)).toEqual(["one", "two"]);
  });

  test.each<[string, string, ReturnType<typeof offering>]>([
    ["another member", "input", offering("two", z.strictObject({ ...input().shape, more: z.string() }))],
    ["another type", "input", offering("two", z.strictObject({ ...input().shape, path: z.number() }))],
    ["another default", "input", offering("two", z.strictObject({ ...input().shape, depth: z.number().default(9) }))],
    ["another risk", "risk", offering("two", input(), { risk: "high" })],
    [
      "another time that results are remembered for",
      "joinable and rememberMs",
      offering("two", input(), { joinable: true, rememberMs: 1_000 }),
    ],
    ["other joining and input", "joinable and input", offering("two", z.strictObject({}), { joinable: true })],
  ])("are refused with both names where one has %s", (_what, difference, two) => {
    expect(() => createCatalogue([offering("one", input()), two])).toThrow(
      expect.objectContaining({
        code: "config.invalid",
        message: `"scanner" of one and "scanner" of two both offer "scan" but differ in ${difference}.`,
      }),
    );
  });
});

test("what nobody offers is found nowhere; what is offered is listed by name", () => {
  const catalogue = createCatalogue([offering("one", input())]);
  expect(catalogue.find("dance", "acme")).toEqual([]);
  expect(catalogue.commands("acme")).toEqual(["scan"]);
});

test("what only services offer that are not open to a tenant is neither found nor listed for it (W11)", () => {
  const closed = (name: string) => ({ ...offering(name, input()), tenants: ["acme"] });
  const catalogue = createCatalogue([offering("one", input()), closed("two")]);
  expect(catalogue.find("scan", "acme").map((offer) => offer.service)).toEqual(["one", "two"]);
  expect(catalogue.find("scan", "other").map((offer) => offer.service)).toEqual(["one"]);
  const alone = createCatalogue([closed("two")]);
  expect([alone.commands("acme"), alone.commands("other")]).toEqual([["scan"], []]);
  expect(alone.find("scan", "other")).toEqual([]);
});
