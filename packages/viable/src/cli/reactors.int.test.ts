// That a person on the command line answers what the person was shown, is told why something failed and what is not there, over a real
// socket.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { loadConfig } from "../config-file.ts";
import { defineSystem, reactor } from "../index.ts";
import { commandLine } from "./testing/command-line.ts";

const unsure = reactor("unsure", { input: z.looseObject({}) }, (steps) =>
  steps
    .step("wire", { idempotent: false, timeoutMs: 1, run: () => new Promise<string>(() => {}) })
    .returns(({ results }) => results.wire),
);

const fails = (message: string, why?: string): never => {
  throw new Error(message, why === undefined ? {} : { cause: new Error(why) });
};
const input = z.looseObject({});
const calls = reactor("calls", { input }, (steps) =>
  steps.step("ask", { run: () => fails("fetch failed", "no route") }).returns(() => null),
);
const books = reactor("books", { input }, (steps) =>
  steps
    .step("book", { run: () => 1, undo: () => undefined })
    .step("pay", { after: ["book"], run: () => fails("no money") })
    .returns(() => null),
);
const child = reactor("child", { input }, (steps) => steps.step("one", { run: () => 1 }).returns(() => null));
const around = reactor("around", { input }, (steps) =>
  steps.compose("inner", child, { args: () => ({}) }).returns(() => null),
);

const asks = defineSystem({ name: "asks", services: [], reactors: [unsure, calls, books, around] });

const startLine = (definition = asks) => commandLine(onTestFinished, definition);

/** A command line, and a run that asks a person. */
async function askingRun() {
  const { ctx, system, viable } = await startLine();
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

test("a run that failed is told with the step at which it did, what that follows from, and what to look at", async () => {
  const { viable } = await startLine();
  const failed = await viable("reactors", "start", "calls", "--wait");
  const runId = /run_\w+/.exec(failed.err)?.[0] ?? "";
  expect(failed).toEqual({
    status: 1,
    out: "",
    err:
      `${runId} has begun.\nerror: ${runId} is failed, since ask failed: fetch failed [internal]\n  because: no route\n` +
      `  next: Look at its steps: viable reactors show ${runId}\n`,
  });
  const { out } = await viable("reactors", "show", runId);
  expect(out).toMatch(/^error +fetch failed \[internal\], since no route \[internal\]$/m);
  expect(out).toMatch(/^ask +failed .* fetch failed \[internal\], since no route \[internal\]$/m);
  const undone = await viable("reactors", "start", "books", "--wait");
  expect(undone.err).toContain(" is compensated, since pay failed: no money [internal]\n");
});

test("of a step that composes a reactor the run is named", async () => {
  const { viable } = await startLine();
  const { err } = await viable("reactors", "start", "around", "--wait");
  const runId = /run_\w+/.exec(err)?.[0] ?? "";
  const { steps } = JSON.parse((await viable("reactors", "show", runId, "--output", "json")).out);
  expect((await viable("reactors", "show", runId)).out).toMatch(
    new RegExp(`^inner +succeeded .* ${steps[0].runId}$`, "m"),
  );
});

test("what is not there ends with 1, whichever verb is asked for it, and where to look is said", async () => {
  const { viable } = await startLine();
  const asked = [
    ["reactors show nix", "viable reactors runs"],
    ["reactors watch nix", "viable reactors runs"],
    ["reactors resume nix --decision done", "viable reactors runs"],
    ["reactors cancel nix", "viable reactors runs"],
    ["reactors graph nix", "unsure"],
    ["reactors start unsuer", "unsure"],
    ["approvals decide nix yes", "viable approvals list"],
    ["executions show nix", "viable executions list"],
    ["executions watch nix", "viable executions list"],
    ["executions replay nix", "viable executions list"],
    ["executions fork nix", "viable executions list"],
    ["sessions show nix", "viable sessions list"],
    ["sessions end nix", "viable sessions list"],
    ["executions cancel nix", "viable executions list"],
    ["swarms show nix", "viable swarms list"],
    ["registry explain nix", "viable executions list"],
    ["memory get nix", 'There is no "nix"'],
  ] as const;
  const said = await Promise.all(
    asked.map(async ([words, hint]) => {
      const { status, out, err } = await viable(...words.split(" "));
      return { words, status, out, saysWhere: err.includes(hint), lines: err.split("\n").length < 4 ? "few" : err };
    }),
  );
  expect(said).toEqual(asked.map(([words]) => ({ words, status: 1, out: "", saysWhere: true, lines: "few" })));
});

test("what docs/how-to/run-a-reactor.md shows of its config is what the verbs print", async () => {
  const root = join(import.meta.dirname, "../../../..");
  const text = readFileSync(join(root, "docs/how-to/run-a-reactor.md"), "utf8");
  const blockOf = (begin: string) => text.split(begin)[1]?.split("\n```")[0] ?? "";
  // Below the root, so that packages are found as users find them.
  mkdirSync(join(root, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(root, ".cache", "how-to-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "viable.config.ts");
  writeFileSync(file, blockOf("In `viable.config.ts`:\n\n```ts\n"));
  const { viable } = await startLine(await loadConfig(file));

  expect(await viable("reactors", "graph", "order")).toEqual({
    status: 0,
    out: `${blockOf("```mermaid\n")}\n`,
    err: "",
  });
  const [command = "", ...printed] = blockOf("```\n$ viable ").split("\n");
  const words = [...command.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
  const { status, out, err } = await viable(...words);
  const shown = [...`${out}${err}`.trimEnd().split("\n"), "$ echo $?", String(status)];
  const anyIds = (lines: readonly string[]) => lines.map((line) => line.replace(/(run|apr)_[0-9a-z]{26}/g, "$1_"));
  expect(anyIds(shown)).toEqual(anyIds(printed));
});
