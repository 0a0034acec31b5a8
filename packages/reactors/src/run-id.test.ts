// That ids which follow from what they are of stay what they are: runs and events stand in logs under them.
import { expect, test } from "vitest";
import { idFor, runIdFor } from "./run-id.ts";

test("what a run or an event is of has the id that it always had", () => {
  expect([
    runIdFor(["acme", "order", "o-1"]),
    runIdFor(["acme", "run_1", "ship[3]/label", 2]),
    idFor("evt", ["evt_1", "order.paid", "o-1"]),
  ]).toEqual(["run_42en3bx3p7cfbeze1xy63cdgzk", "run_2b057djx91s435hkd8jraazdgn", "evt_0az71xg03d58tft2s49v0gravc"]);
});
