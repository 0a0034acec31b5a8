/**
 * The command line as a person meets it: on a real terminal, with keys that are pressed. What stands there in the end is asked of a terminal
 * without a window, which is given what was written.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync } from "node:fs";
import headless from "@xterm/headless";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Place, viableCommand } from "./cli.ts";

/** A workshop with an agent that tries to take the terminal over. */
const config = `
import { agent, defineSystem, service } from "viable";
import { z } from "zod";
const evil = "\\u001b[2J\\u001b]0;owned\\u0007\\u009b2J\\r\\u202eover";
const pause = (signal, ms) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
});
const sleeper = agent({
  name: "sleeper", capability: "sleep", description: "Sleeps.", input: z.strictObject({ ms: z.number().int() }),
  handle: async (ctx, { ms }) => {
    for (let part = 0; part < 10; part++) {
      ctx.progress(part * 10, "進捗 part " + part);
      await pause(ctx.signal, ms / 10);
    }
    return { slept: ms };
  },
});
const chief = agent({
  name: "chief", capability: "report", description: "Has others sleep.", input: z.strictObject({ ms: z.number().int() }),
  handle: async (ctx, { ms }) => {
    const all = await Promise.all([ctx.delegate("sleep", { ms }), ctx.delegate("sleep", { ms: Math.floor(ms / 2) })]);
    return { done: all.filter(({ ok }) => ok).length };
  },
});
const hostile = agent({
  name: "hostile", capability: "hostile", description: "Drives terminals." + evil, input: z.strictObject({ fail: z.boolean().default(false) }),
  handle: async (ctx, { fail }) => {
    ctx.progress(50, evil);
    await pause(ctx.signal, 600);
    if (fail) throw new Error(evil);
    return { text: evil };
  },
});
export default defineSystem({
  name: "terminals",
  services: [service({ name: "desk", description: "Sits.", port: 0, agents: [sleeper, chief, hostile] })],
});
`;

const place = new Place(config);
beforeAll(async () => {
  place.write("bin/viable", `#!/bin/sh\nexec '${process.execPath}' '${viableCommand}' "$@"\n`);
  chmodSync(place.path("bin/viable"), 0o755);
  place.environment.PATH = `${place.path("bin")}:${process.env.PATH}`;
  await place.start();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

const hidden = "\u001b[?25l";
const shown = "\u001b[?25h";

const sequence = "\\u001b\\[";
/** What the screen draws by, and its colours. */
const ours = new RegExp(`${sequence}(?:\\?25[lh]|\\d+A|[JK]|(?:[012]|22|3\\d)m)`, "g");
const colours = new RegExp(`${sequence}\\d+m`);
const moves = new RegExp(`${sequence}[^m]*[A-Zhl]`);
const obeyed = /[[\p{Control}\u202e]--\n]/v;

/** What stands on a terminal that was given these texts, with the sizes that it was made meanwhile. */
async function standing(...parts: { text: string; columns: number }[]): Promise<string[]> {
  const device = new headless.Terminal({ cols: parts[0]?.columns ?? 80, rows: 24, allowProposedApi: true });
  for (const { text, columns } of parts) {
    device.resize(columns, 24);
    await new Promise<void>((resolve) => device.write(text, resolve));
  }
  const buffer = device.buffer.active;
  const lines = Array.from({ length: buffer.length }, (_, row) => buffer.getLine(row)?.translateToString(true) ?? "");
  return lines.join("\n").trimEnd().split("\n");
}

describe("bars", () => {
  test("stand in one place, one for each execution, and the result below what is left of them", async () => {
    const done = await place.beginOnTerminal("viable exec report --ms 1200").finished;
    expect(done.status).toBe(0);
    expect(done.out).toMatch(/[█]{2,}.*░.* {2}\d0 % .*進捗 part \d/);
    const [root, first, second, ...result] = await standing({ text: done.out, columns: 80 });
    expect(root).toMatch(/^✓ report \(desk\) +█{12} 100 % \S+ s$/);
    expect(first).toMatch(/^ {2}✓ sleep \(desk\) +█{12} 100 % \S+ m?s$/);
    expect(second).toMatch(/^ {2}✓ sleep \(desk\) +█{12} 100 % \S+ m?s$/);
    expect(JSON.parse(result.join("\n"))).toEqual({ done: 2 });
    expect([done.out.split(hidden).length, done.out.split(shown).length]).toEqual([2, 2]);
  });

  test("fit a terminal that is made narrower meanwhile, and leave nothing behind", async () => {
    const exec = place.beginOnTerminal("tty > tty.txt; exec viable exec report --ms 4000");
    await exec.saw("進捗 part");
    const before = exec.out().length;
    execFileSync("stty", ["-F", readFileSync(place.path("tty.txt"), "utf8").trim(), "cols", "40"]);
    const done = await exec.finished;
    expect(done.status).toBe(0);
    const parts = [
      { text: done.out.slice(0, before), columns: 80 },
      { text: done.out.slice(before), columns: 40 },
    ];
    const [root, first, second, ...result] = await standing(...parts);
    expect([root, first, second].map((line) => line?.trim().slice(0, 7))).toEqual(["✓ repor", "✓ sleep", "✓ sleep"]);
    expect(JSON.parse(result.join("\n"))).toEqual({ done: 2 });
  });

  test("NO_COLOR takes the colours, TERM=dumb and CI the drawing", async () => {
    const plain = await place.beginOnTerminal("NO_COLOR=1 viable exec sleep --ms 300").finished;
    expect(plain.out).toContain(hidden);
    expect(plain.out).not.toMatch(colours);
    for (const variable of ["TERM=dumb", "CI=true"]) {
      const done = await place.beginOnTerminal(`${variable} viable exec sleep --ms 300`).finished;
      expect(done.out, variable).toContain("sleep on desk: running\r\n");
      expect(done.out, variable).not.toMatch(moves);
    }
  });
});

describe("the cursor is there again", () => {
  test("after Ctrl-C, which cancels", async () => {
    const exec = place.beginOnTerminal("viable exec sleep --ms 60000");
    await exec.saw("進捗 part");
    expect(exec.out()).not.toContain(shown);
    exec.type("\u0003");
    const done = await exec.finished;
    expect(done.status).toBe(130);
    expect(done.out.lastIndexOf(shown)).toBeGreaterThan(done.out.lastIndexOf(hidden));
    expect((await standing({ text: done.out, columns: 80 })).at(-1)).toMatch(/exe_\w+ was cancelled\./);
  });

  test.each([
    ["Ctrl-\\", "\u001c", 131],
    ["SIGTERM", "", 130],
  ])("after %s, which waits for nothing", async (_, keys, status) => {
    const exec = place.beginOnTerminal("echo $$ > pid.txt; exec viable exec sleep --ms 60000 --detach-on-interrupt");
    await exec.saw("進捗 part");
    if (keys !== "") exec.type(keys);
    else {
      const pid = Number(readFileSync(place.path("pid.txt"), "utf8"));
      process.kill(pid, "SIGTERM");
    }
    const done = await exec.finished;
    expect(done.status).toBe(status);
    expect(done.out.lastIndexOf(shown)).toBeGreaterThan(done.out.lastIndexOf(hidden));
  });
});

test("while Ctrl-Z has it stand still the cursor is there, and with fg the bars go on", async () => {
  const shell = place.beginOnTerminal("bash --norc --noprofile -i");
  shell.type("viable exec sleep --ms 6000\n");
  await shell.saw("進捗 part");
  shell.type("\u001a");
  await shell.saw("Stopped");
  expect(shell.out().lastIndexOf(shown)).toBeGreaterThan(shell.out().lastIndexOf(hidden));
  const before = shell.out().length;
  shell.type("fg\n");
  await shell.saw('"slept": 6000');
  expect(shell.out().slice(before)).toContain(hidden);
  expect(shell.out().slice(before)).toContain("✓");
  expect(shell.out().lastIndexOf(shown)).toBeGreaterThan(shell.out().lastIndexOf(hidden));
  shell.type("exit\n");
  expect((await shell.finished).status).toBe(0);
});

test("what an agent says, fails with, returns or calls itself moves nothing on a terminal", async () => {
  const lines = [
    "viable exec hostile",
    "viable exec hostile --output yaml",
    "viable exec hostile --output table",
    "viable exec hostile --fail",
    "viable events --limit 500",
    "viable exec help --output table",
    "viable executions list",
    "viable complete -- exec hos",
  ];
  for (const line of lines) {
    const { out } = await place.beginOnTerminal(line).finished;
    // What the screen draws by, and its colours, are the sequences that there may be.
    const drawn = out.replaceAll("\r\n", "\n").replaceAll("A\r", "A").replaceAll(ours, "");
    // Shells read what words mean behind a tab.
    const rest = line.startsWith("viable complete") ? drawn.replaceAll("\t", " ") : drawn;
    expect(rest, line).not.toMatch(obeyed);
    expect(rest, line).not.toBe("");
  }
});

describe("a password", () => {
  const password = "canary-Password-1";

  test("is asked for and never shown, while the terminal shows what else is typed", async () => {
    expect(await place.run("user", "create", "anna", "viewer")).toMatchObject({ status: 0 });
    const told = place.beginOnTerminal("read word; echo heard $word");
    told.type("something\n");
    // Typed, and said.
    expect((await told.finished).out.split("something")).toHaveLength(3);
    for (const line of ["viable user password anna", "viable login anna"]) {
      const asking = place.beginOnTerminal(line);
      await asking.saw("assword of anna: ");
      // Also what is corrected while it is typed.
      asking.type(`${password}x`);
      asking.type("\u007f\r");
      const done = await asking.finished;
      expect(done.status, done.out).toBe(0);
      expect(done.out).not.toContain("anary");
      expect(done.out).not.toContain("*");
    }
    expect(readFileSync(place.path(".config/viable/log-ins.json"), "utf8")).toContain('"anna"');
    expect(await place.run("logout")).toMatchObject({ status: 0 });
  });

  test("that is not given by Ctrl-C or Ctrl-D does nothing, and the terminal shows again what is typed", async () => {
    for (const [keys, status] of [
      ["\u0003", 130],
      ["\u0004", 2],
    ] as const) {
      const asking = place.beginOnTerminal("viable login anna; status=$?; stty -a; exit $status");
      await asking.saw("Password of anna: ");
      asking.type(`half${keys}`);
      if (keys === "\u0004") asking.type("\u0015\u0004");
      const done = await asking.finished;
      expect(done.status).toBe(status);
      expect(done.out).toMatch(/ echo /);
      expect(done.out).not.toContain("half");
    }
  });
});

test("bash completes verbs, what the system knows, and values, as the key is pressed", async () => {
  const shell = place.beginOnTerminal("bash --norc --noprofile -i");
  shell.type("source <(viable completion bash) && echo set''up\n");
  await shell.saw("setup");
  shell.type("viable execut\t");
  await shell.saw("viable executions ");
  shell.type("\u0015viable exec slee\t");
  await shell.saw("viable exec sleep ");
  shell.type("--ms 1 --output=y\t");
  await shell.saw("--output=yaml ");
  shell.type("\n");
  await shell.saw("slept: 1");
  shell.type("viable health --config via\t");
  await shell.saw("viable.config.ts");
  shell.type("\u0015exit\n");
  expect((await shell.finished).status).toBe(0);
});

test("where no system runs, completing says nothing, and still knows the verbs", async () => {
  await using elsewhere = new Place(config);
  const complete = (...words: string[]) => elsewhere.run("complete", "--", ...words);
  expect(await complete("executions", "show", "")).toEqual({ status: 0, out: "words\n", err: "" });
  expect((await complete("executions", "sh")).out).toMatch(/^words\nshow\t/);
});

test("a pipe gets whole lines, and whoever has seen enough of it may leave: 0", async () => {
  const piped = place.beginOnTerminal("bash -c 'viable events --limit 500 | head -1; echo status $PIPESTATUS'");
  const done = await piped.finished;
  expect(done.out).toMatch(/^\S+Z \d+ [^\n]*\r\nstatus 0\r\n$/);
  // Not cut to the terminal, since it does not go there.
  expect(done.out.split("\r\n")[0]?.length).toBeGreaterThan(80);
});
