// That a person on the command line answers what the person was shown, over a real socket.
import { createRuntime, rootContext } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createSystem } from "../create-system.ts";
import { defineSystem, reactor } from "../index.ts";
import { runProgram } from "./program.ts";
import type { Screen, Shell } from "./shell.ts";

const unsure = reactor("unsure", { input: z.looseObject({}) }, (steps) =>
  steps
    .step("wire", { idempotent: false, timeoutMs: 1, run: () => new Promise<string>(() => {}) })
    .returns(({ results }) => results.wire),
);

/** A system with a run that asks a person, and a command line that leads there. */
async function askingRun() {
  const ctx = rootContext(createRuntime());
  const definition = defineSystem({ name: "asks", services: [], reactors: [unsure] });
  const system = createSystem(
    definition,
    { store: createMemoryStore() },
    { gateway: { host: "127.0.0.1", port: 0 }, servicePorts: "any" },
  );
  await system.start(ctx);
  onTestFinished(() => system.stop(ctx));
  const viable = async (...words: string[]) => {
    const printed = { out: "", err: "" };
    const screen = (name: "out" | "err"): Screen => ({
      isTerminal: false,
      colour: false,
      columns: 120,
      rows: 24,
      write: (text) => {
        printed[name] += text;
      },
    });
    const shell: Shell = {
      runtime: createRuntime(),
      environment: { VIABLE_URL: system.gatewayUrl, VIABLE_TOKEN: system.ownerToken },
      cwd: "/nowhere",
      out: screen("out"),
      err: screen("err"),
      exitStatus: 0,
      whenUnread: "end",
      catchInterrupt: () => new AbortController().signal,
    };
    return { status: await runProgram(shell, words), ...printed };
  };
  const waited = await viable("reactors", "start", "unsure", "--wait");
  const runId = /run_\w+/.exec(waited.err)?.[0] ?? "";
  const resumed = async () => {
    const accepted = await system.log.readAll(ctx, { filter: { types: ["execution.accepted"] } });
    return accepted.flatMap(({ data }) => (data.command === "reactor.resume" ? [data.args] : []));
  };
  return { viable, runId, resumed };
}

test("resume says what is asked, and sends by which event: it is an answer to that and to nothing later", async () => {
  const { viable, runId, resumed } = await askingRun();
  const { status, err } = await viable("reactors", "resume", runId, "--decision", "done", "--result", '"arrived"');
  expect({ status, err }).toEqual({
    status: 0,
    err: expect.stringContaining(`${runId} asks about wire (run) by its event 3: `),
  });
  expect(await resumed()).toEqual([{ runId, decision: "done", result: "arrived", reviewVersion: 3 }]);
});

test("resume answers what was read before, where it is told by which event that was asked", async () => {
  const { viable, runId, resumed } = await askingRun();
  expect((await viable("reactors", "show", runId)).out).toMatch(/^review +wire \(run\) by its event 3: /m);
  const resume = (version: string) =>
    viable("reactors", "resume", runId, "--decision", "done", "--review-version", version);
  expect(await resume("2")).toMatchObject({ status: 1, err: expect.stringContaining("reactor.order_refused") });
  expect(await resume("3")).toMatchObject({ status: 0 });
  expect(await resumed()).toEqual([2, 3].map((reviewVersion) => ({ runId, decision: "done", reviewVersion })));
  expect((await resume("odd")).status).toBe(2);
});
