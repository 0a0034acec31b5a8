import { expect } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { authentication } from "./authentication.ts";

followsInput(authentication, "who calls, with what authority and in which session", async (bench) => {
  const reader = { operations: ["read"], clientType: "web", sessionId: "ses_1" } as const;
  const web = await bench.run(authentication, {}, { authority: reader, tenant: "acme" });
  expect(web).toEqual({
    principal: "owner",
    tenant: "acme",
    clientType: "web",
    operations: ["read"],
    sessionId: "ses_1",
  });
  const cli = await bench.run(authentication, {});
  expect(cli).toEqual({
    principal: "owner",
    tenant: "default",
    clientType: "cli",
    operations: ["read", "write", "execute"],
  });
  return [web, cli];
});
