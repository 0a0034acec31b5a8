// How a system starts, fails to start, drains and is ended, as the process that a person or a supervisor sees.
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import type { ExecutionView } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { eventually, isAlive, Place } from "./cli.ts";

test("start says what it is; SIGTERM drains, ends with 0 and leaves nothing running", async () => {
  await using place = new Place();
  const system = place.begin("start", "--output", "json");
  await eventually(
    () => system.out().endsWith("}\n"),
    () => system.err(),
  );
  const running = JSON.parse(system.out()) as { url: string; services: { name: string; url: string }[] };
  expect(running).toMatchObject({ system: "workshop", pid: system.pid, durability: "process-crash" });
  expect(running).toMatchObject({ stateDir: place.path(".viable") });
  expect(statSync(place.path(".viable")).mode & 0o777).toBe(0o700);
  for (const { url } of running.services) expect((await fetch(`${url}/health`)).status).toBe(200);

  const exec = place.begin("exec", "sleep", "--ms", "1500");
  await exec.saw("running");
  system.signal("SIGTERM");
  await system.saw("Draining");
  // What runs may come to its end; what is new is refused or finds nobody.
  const done = await system.finished;
  expect(done.status).toBe(0);
  expect(done.err).toContain("Stopped.");
  expect(existsSync(place.path(".viable/gateway.json"))).toBe(false);
  for (const { url } of running.services) await expect(fetch(`${url}/health`)).rejects.toThrow();
  exec.signal("SIGKILL");

  const again = await place.start();
  const [view] = (await place.json<{ executions: ExecutionView[] }>("executions", "list")).executions;
  expect(view).toMatchObject({ command: "sleep", status: "completed", attempts: 1 });
  again.signal("SIGTERM");
  await again.finished;
});

test("a second signal does not wait for the drain: 130", async () => {
  await using place = new Place();
  const system = await place.start();
  const exec = place.begin("exec", "sleep", "--ms", "60000");
  await exec.saw("running");
  system.signal("SIGINT");
  await system.saw("Draining");
  // Signals that come together are one, as when a terminal and npm both send it.
  await new Promise((resolve) => setTimeout(resolve, 400));
  system.signal("SIGINT");
  expect((await system.finished).status).toBe(130);
});

describe("when nobody reads any more what it writes", () => {
  test("a system goes on, and drains on SIGTERM as ever", async () => {
    await using place = new Place();
    const system = await place.start();
    system.stopReading();
    // Each is told in a line, which meets the broken pipe.
    for (const part of ["queen", "workers"])
      expect((await place.run("swarms", "restart", "text", part)).status).toBe(0);
    expect((await place.run("health")).status).toBe(0);
    const { executionId } = await place.json<{ executionId: string }>("exec", "sleep", "--ms", "1500", "--async");
    system.signal("SIGTERM");
    expect((await system.finished).status).toBe(0);
    expect(existsSync(place.path(".viable/gateway.json"))).toBe(false);
    const again = await place.start();
    const view = await place.json<ExecutionView>("executions", "show", executionId);
    expect(view).toMatchObject({ status: "completed", attempts: 1 });
    again.signal("SIGTERM");
    await again.finished;
  });

  test("dev goes on and restarts its system at a change", async () => {
    await using place = new Place();
    const dev = place.begin("dev");
    await dev.saw("Watching");
    const runs = () => (JSON.parse(readFileSync(place.path(".viable/gateway.json"), "utf8")) as { pid: number }).pid;
    const first = runs();
    dev.stopReading();
    place.write("beside/notes.json", "{}");
    await eventually(
      () => existsSync(place.path(".viable/gateway.json")) && runs() !== first,
      () => "The system was not restarted.",
    );
    dev.signal("SIGINT");
    expect((await dev.finished).status).toBe(0);
  });
});

test("kill -9 in the middle of a command: the next start brings it to its end by itself", async () => {
  await using place = new Place();
  const first = await place.start();
  const { executionId } = await place.json<{ executionId: string }>(
    "exec",
    "report",
    "--text",
    "a",
    "--ms",
    "1000",
    "--async",
  );
  first.signal("SIGKILL");
  await first.finished;
  const down = await place.run("health");
  expect(down.status).toBe(4);
  expect(down.err).toContain(`process ${first.pid} is gone`);
  await place.start();
  const watched = await place.run("executions", "watch", executionId);
  expect(watched.status).toBe(0);
  expect(JSON.parse(watched.out)).toEqual({ counted: { words: 1, loud: false }, slept: true });
});

describe("what keeps a system from starting is named", () => {
  test("a second process on the same database, which harms nothing", async () => {
    await using place = new Place();
    const first = await place.start();
    const second = await place.run("start");
    expect(second).toMatchObject({ status: 1, out: "" });
    expect(second.err).toContain(`A system is already running on ${place.path(".viable")}`);
    expect(second.err).toContain(`process ${first.pid}, at http://`);
    expect((await place.run("health")).status).toBe(0);
  });

  test("a port in use", async () => {
    await using place = new Place();
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const address = other.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    place.environment.VIABLE_PORT = String(port);
    try {
      const done = await place.run("start");
      expect(done).toMatchObject({ status: 1, out: "" });
      expect(done.err).toContain(`gateway: port ${port} on 127.0.0.1 is in use`);
      const doctor = await place.run("doctor");
      expect(doctor.status).toBe(1);
      expect(doctor.out).toMatch(new RegExp(`fail {2}port of gateway: ${port}`));
    } finally {
      other.close();
    }
  });

  test("a state folder that cannot be made", async () => {
    await using place = new Place();
    place.write("file", "not a folder");
    place.environment.VIABLE_STATE_DIR = place.path("file", "state");
    const done = await place.run("start");
    expect(done).toMatchObject({ status: 1, out: "" });
    expect(done.err).toContain("state.not_writable");
  });
});

describe("an invalid config ends with 2 and names file, line and reason", () => {
  const first = 'import { agent, defineSystem, service } from "viable";';
  const echo =
    'const echo = agent({ name: "echo", capability: "echo", description: "Echoes.", input: z.any(), handle: () => null });';
  const cases: [string, string, number, string][] = [
    ["syntax", `${first}\nexport default defineSystem({ name: "typo", services: [, });`, 2, "Expression expected"],
    ["an enum", `${first}\n\nenum Colour {\n  Red,\n}\nexport default Colour;`, 3, "enum is not supported"],
    ["a missing import", `${first}\nimport { gone } from "./gone.ts";\nexport default gone;`, 2, "Cannot find module"],
    ["a missing name", `import { defineSystems } from "viable";\nexport default defineSystems;`, 1, "defineSystems"],
    ["no default export", `${first}\nexport const system = 1;`, 1, "the default export is not a system"],
    ["code that throws", `${first}\nconst port = JSON.parse("{");\nexport default port;`, 2, "JSON"],
    [
      "a wrong name",
      `${first}\n\nexport default defineSystem({ name: "Wrong Name", services: [] });`,
      3,
      "name: must be",
    ],
    [
      "two services on one port",
      [
        first,
        'import { z } from "zod";',
        echo,
        "export default defineSystem({",
        '  name: "crowded",',
        "  services: [",
        '    service({ name: "left", description: "Left.", port: 4190, agents: [echo] }),',
        '    service({ name: "right", description: "Right.", port: 4190, agents: [echo] }),',
        "  ],",
        "});",
      ].join("\n"),
      4,
      'services.right.port: port 4190 is given to both "left" and "right"',
    ],
  ];
  test.each(cases)("%s", async (_name, config, line, reason) => {
    await using place = new Place(config);
    const done = await place.run("config", "check");
    expect(done).toMatchObject({ status: 2, out: "" });
    expect(done.err).toContain(`${place.path("viable.config.ts")}:${line}: `);
    expect(done.err).toContain(reason);
  });

  test("before anything is started or made", async () => {
    await using place = new Place("export default 1;\n");
    const done = await place.run("start");
    expect(done).toMatchObject({ status: 2, out: "" });
    expect(done.err).toContain(`${place.path("viable.config.ts")}:1: the default export is not a system`);
    expect(existsSync(place.path(".viable"))).toBe(false);
  });

  test("one that is not there, and a wrong variable", async () => {
    await using place = new Place();
    expect((await place.run("start", "--config", "elsewhere.ts")).status).toBe(2);
    place.environment.VIABLE_PORT = "seventy";
    const done = await place.run("start");
    expect(done.status).toBe(2);
    expect(done.err).toContain('VIABLE_PORT must be a whole number from 0 to 65535, not "seventy"');
  });
});

describe("start and run once, as npm start does", () => {
  test("with json, stdout holds the result alone; it ends with 0, or 1 where the work failed", async () => {
    await using place = new Place();
    const done = await place.startAndRun("report", '{"text":"a b"}', "--once", "--json").finished;
    expect(done.status).toBe(0);
    expect(JSON.parse(done.out)).toEqual({ counted: { words: 2, loud: false }, slept: true });
    expect(done.err).toContain("gateway");
    const failed = await place.startAndRun("break", "{}", "--once").finished;
    expect(failed).toMatchObject({ status: 1, out: "" });
    expect(failed.err).toContain("it broke, as it should");
  });

  test("without once it stays up, and SIGTERM drains it: 0", async () => {
    await using place = new Place();
    const system = place.startAndRun("report", '{"text":"a b"}');
    await system.saw("stays up");
    expect(system.out()).toBe('The report: {"counted":{"words":2,"loud":false},"slept":true}\n');
    expect((await place.run("health")).status).toBe(0);
    const second = await place.startAndRun("report", "{}", "--once").finished;
    expect(second.status).toBe(1);
    expect(second.err).toContain("A system is already running");
    system.signal("SIGTERM");
    expect((await system.finished).status).toBe(0);
  });

  test("broken off in the middle it cancels what it began: 130", async () => {
    await using place = new Place();
    const run = place.startAndRun("sleep", '{"ms":60000}', "--once");
    await run.saw("sleep on desk: running");
    run.signal("SIGINT");
    const done = await run.finished;
    expect(done).toMatchObject({ status: 130, out: "" });
    expect(done.err).toMatch(/exe_\w+ was cancelled/);
  });
});

describe("dev", () => {
  test("restarts on a change with the state kept, outlives a broken config, and ends both on SIGINT", async () => {
    await using place = new Place();
    const config = readFileSync(place.path("viable.config.ts"), "utf8");
    const dev = place.begin("dev");
    await dev.saw("Watching");
    expect((await place.run("memory", "set", "kept", "1")).status).toBe(0);

    place.write("viable.config.ts", `${config}\nconst broken = ;\n`);
    await dev.saw("does not load; the system goes on as it was");
    expect(dev.err()).toContain(`${place.path("viable.config.ts")}:`);
    expect((await place.run("health")).status).toBe(0);

    place.write("viable.config.ts", config.replace('name: "workshop"', 'name: "workshop-two"'));
    await dev.saw("running workshop-two");
    expect(await place.json("memory", "get", "kept")).toBe(1);

    // A file beside it, in a folder that was not there before.
    place.write("beside/notes.json", "{}");
    await dev.saw("running workshop-two", 2);
    const { pid } = JSON.parse(readFileSync(place.path(".viable/gateway.json"), "utf8")) as { pid: number };
    dev.signal("SIGINT");
    expect((await dev.finished).status).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  test("a parent that is killed takes its system with it", async () => {
    await using place = new Place();
    const dev = place.begin("dev");
    await dev.saw("Watching");
    const { pid } = JSON.parse(readFileSync(place.path(".viable/gateway.json"), "utf8")) as { pid: number };
    dev.signal("SIGKILL");
    await eventually(
      () => !isAlive(pid),
      () => "The system outlived its parent.",
    );
  });

  test("a first start that fails ends it with the same status", async () => {
    await using place = new Place("export default 1;\n");
    const done = await place.run("dev");
    expect(done.status).toBe(2);
    expect(done.err).toContain("the default export is not a system");
  });
});
