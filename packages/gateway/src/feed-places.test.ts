import type { Grant } from "@viable/security";
import { expect, test } from "vitest";
import { createFeedPlaces } from "./feed-places.ts";

const grantOf = (sessionId: string): Grant => ({
  tokenId: "cap_1",
  tenant: "default",
  principal: "owner",
  clientType: "api",
  operations: ["read"],
  sessionId,
  commandsPerHour: 1,
  maxConcurrent: undefined,
  expiresAt: null,
});

test("four thousand feeds are followed at a gateway, whoever follows them, and a place that is given back, once, is free again", () => {
  const places = createFeedPlaces();
  const leave = Array.from({ length: 4_000 }, (_, n) => places.enter(grantOf(`ses_${n % 40}`)));
  expect(() => places.enter(grantOf("ses_other"))).toThrow("4000 feeds are followed at this gateway.");
  leave[0]?.();
  leave[0]?.();
  places.enter(grantOf("ses_other"));
  expect(() => places.enter(grantOf("ses_other"))).toThrow("4000 feeds are followed at this gateway.");
});
