// Verifying the running log is for those who may do what has a high risk.
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { defineSystem } from "./index.ts";

test("who may not do what has a high risk does not have the log verified", async () => {
  await using t = await startTestSystem(defineSystem({ name: "s", services: [] }));
  const [cli, web] = [await t.connect("cli"), await t.connect("web")];
  await expect(web.run("events.verify", {})).rejects.toMatchObject({ code: "security.denied" });
  expect(await cli.run("events.verify", {})).toMatchObject({ status: "completed", result: { sound: true } });
});
