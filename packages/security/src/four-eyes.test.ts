// Who may decide on what was asked for: nobody on his own, by whichever of his tokens.
import { describe, expect, test } from "vitest";
import type { Party } from "./four-eyes.ts";
import { whyNotDecide } from "./four-eyes.ts";

const owner: Party = { principal: "owner", capabilities: ["cap_owner"], sessionId: "ses_deciding" };
const program: Party = { principal: "owner", capabilities: ["cap_owner", "cap_program"], sessionId: "ses_asking" };
const ada: Party = { principal: "user:ada", capabilities: ["cap_ada", "cap_log_in"], sessionId: "ses_asking" };
const ben: Party = { principal: "user:ben", capabilities: ["cap_ben", "cap_log_in_2"], sessionId: "ses_deciding" };

describe("four eyes", () => {
  test.each([
    ["the owner, what a token narrowed from theirs asks for", program, owner],
    ["another user", ada, ben],
    ["the owner, what a user asks for", ada, owner],
    ["a user, what the owner asks for", { ...owner, sessionId: "ses_asking" }, ben],
    ["a person, what a schedule asks for, which shows no token", { principal: "schedule:nightly" }, owner],
    ["another user, what an agent asks for in a user's name", { ...ada, principal: "agent:work/chief" }, ben],
  ])("may decide: %s", (_, asked, decider) => {
    expect(whyNotDecide(asked, decider)).toBeUndefined();
  });

  test.each([
    [
      "the token that asked, in another session",
      program,
      { ...program, sessionId: "ses_other" },
      "the token that asked",
    ],
    [
      "a token that was made of the one that asked",
      program,
      { principal: "owner", capabilities: ["cap_owner", "cap_program", "cap_more"], sessionId: "ses_other" },
      "made of that",
    ],
    ["the owner's own token", { ...owner, sessionId: "ses_asking" }, owner, "the token that asked"],
    ["anybody in the session that it was asked in", program, { ...ben, sessionId: "ses_asking" }, "ses_asking"],
    [
      "the same user by another log-in",
      ada,
      { principal: "user:ada", capabilities: ["cap_ada", "cap_log_in_3"], sessionId: "ses_other" },
      "user:ada",
    ],
    [
      "the user in whose name an agent asks",
      { ...ada, principal: "agent:work/chief" },
      { principal: "user:ada", capabilities: ["cap_ada", "cap_log_in_3"], sessionId: "ses_other" },
      "another must",
    ],
    ["the owner, of whose asking no token is known", { principal: "owner" }, owner, "another must"],
    ["somebody whose token is not known", ada, { principal: "user:ben", sessionId: "ses_other" }, "not known"],
  ])("may not decide: %s", (_, asked, decider, why) => {
    expect(whyNotDecide(asked, decider)).toContain(why);
  });
});
