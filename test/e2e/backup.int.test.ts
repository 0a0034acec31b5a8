// Backup and restore as a person does them: the real command, on the embedded database and from there to a server.
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import type { ExecutionPage } from "@viable/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, Place, type Running } from "./cli.ts";

interface Made {
  readonly file: string;
  readonly events: number;
  readonly records: number;
  readonly position: string;
  readonly sha256: string;
}

const place = new Place();
let system: Running;
let made: Made;

beforeAll(async () => {
  system = await place.start();
  await place.json("exec", "text.words", "--text", "one two three");
  await place.run("memory", "set", "colour", "blue");
  made = await place.json<Made>("backup");
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

/** What is in no backup, and is brought by hand: without it a system with a secret does not start. */
const bringSecret = (folder: string) =>
  copyFileSync(place.path(".viable", "secret.key"), place.path(folder, "secret.key"));

/** Another state folder of the same config, as environment for what is run there. */
async function elsewhere<T>(folder: string, run: () => Promise<T>): Promise<T> {
  place.environment.VIABLE_STATE_DIR = place.path(folder);
  try {
    return await run();
  } finally {
    delete place.environment.VIABLE_STATE_DIR;
  }
}

const executions = async (): Promise<string[]> =>
  (await place.json<ExecutionPage>("executions", "list")).executions.map(
    ({ command, status }) => `${command} ${status}`,
  );

describe("viable backup", () => {
  test("of a running system lies among its backups, for its owner's eyes only, and says what it holds", async () => {
    expect(made.file).toMatch(/\.viable\/backups\/\d{4}-\d\d-\d\dT[\d-]+Z\.jsonl$/);
    expect(statSync(made.file).mode & 0o777).toBe(0o600);
    const lines = readFileSync(made.file, "utf8").trimEnd().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ kind: "end", events: made.events, records: made.records });
    expect(lines.filter((line) => line.startsWith('{"kind":"event"'))).toHaveLength(made.events);
    expect((await place.run("backup")).out).toContain("sha256");
  });

  test("is put where it is asked for, and overwrites nothing", async () => {
    const before = readdirSync(place.path(".viable", "backups"));
    const named = await place.json<Made>("backup", "--file", "mine.jsonl");
    expect(named.file).toBe(place.path("mine.jsonl"));
    expect(existsSync(named.file)).toBe(true);
    expect(readdirSync(place.path(".viable", "backups"))).toEqual(before);
    const again = await place.run("backup", "--file", "mine.jsonl");
    expect(again).toMatchObject({ status: 1, out: "", err: expect.stringContaining("backup.exists") });
    const nowhere = await place.run("backup", "--file", "no/such/folder.jsonl");
    expect(nowhere).toMatchObject({ status: 1, err: expect.stringContaining("It lies at") });
  });
});

describe("viable restore", () => {
  test("fills another state folder; a system that starts there knows all that was, and goes on", async () => {
    const restored = await place.json<Made & { into: string }>("restore", made.file, "--into", "standby");
    expect(restored).toMatchObject({ ...made, into: place.path("standby", "database") });
    await elsewhere("standby", async () => {
      const without = await place.run("start");
      expect(without).toMatchObject({ status: 1, err: expect.stringContaining("security.other_secret") });
      bringSecret("standby");
      const standby = await place.start();
      expect(await executions()).toEqual(expect.arrayContaining(["text.words completed", "memory.set completed"]));
      expect(await place.json("memory", "get", "colour")).toBe("blue");
      expect(await place.json("exec", "text.words", "--text", "a b")).toMatchObject({ words: 2 });
      standby.signal("SIGTERM");
      expect((await standby.finished).status).toBe(0);
      // It is full now, and stays as it is.
      const again = await place.run("restore", made.file);
      expect(again).toMatchObject({ status: 1, out: "", err: expect.stringContaining("log.not_empty") });
      // Stopped, it is backed up all the same.
      const stopped = await place.json<Made>("backup");
      expect(stopped.events).toBeGreaterThan(made.events);
    });
  });

  test("refuses the folder of a system that runs, and harms nothing", async () => {
    const refused = await place.run("restore", made.file);
    expect(refused).toMatchObject({ status: 1, out: "", err: expect.stringContaining("cli.already_running") });
    expect(refused.err).toContain(String(system.pid));
    expect(await place.json("memory", "get", "colour")).toBe("blue");
  });

  test.each([
    ["cut off", (text: string) => text.slice(0, -100), "backup.damaged"],
    ["altered", (text: string) => text.replace("blue", "gray"), "backup.damaged"],
    ["foreign", () => '{"format":"another"}\n', "backup.damaged"],
    ["of another system", (text: string) => text, "backup.other_system"],
  ])("a file that is %s restores nothing, and leaves no folder", async (what, change, code) => {
    const file = place.path(`${what.replaceAll(" ", "-")}.jsonl`);
    writeFileSync(file, change(readFileSync(made.file, "utf8")));
    if (what === "of another system") place.write("other/viable.config.ts", otherConfig);
    const words = what === "of another system" ? ["--config", "other/viable.config.ts"] : [];
    const refused = await place.run("restore", file, "--into", "nothing", ...words);
    expect(refused).toMatchObject({ status: 1, out: "", err: expect.stringContaining(code) });
    expect(existsSync(place.path("nothing"))).toBe(false);
  });

  test("kill -9 leaves nothing that starts, and says what to do; restored again it starts", async () => {
    const restoring = place.begin("restore", made.file, "--into", "killed");
    await eventually(
      () => existsSync(place.path("killed", "database", ".viable-restoring", "base")),
      () => `It did not begin. ${restoring.err()}`,
    );
    restoring.signal("SIGKILL");
    expect((await restoring.finished).status).toBe(null);
    await elsewhere("killed", async () => {
      const start = await place.run("start");
      expect(start.status).toBe(1);
      expect(start.err).toContain("log.restore_unfinished");
      expect(start.err).toContain("viable restore");
      expect(await place.json("restore", made.file)).toMatchObject({ events: made.events });
      bringSecret("killed");
      const standby = await place.start();
      expect(await place.json("memory", "get", "colour")).toBe("blue");
      standby.signal("SIGKILL");
      await standby.finished;
    });
  });

  test("without a database there is nothing to back up, and none is made", async () => {
    await elsewhere("empty", async () => {
      expect(await place.run("backup")).toMatchObject({
        status: 1,
        err: expect.stringContaining("backup.no_database"),
      });
    });
    expect(existsSync(place.path("empty"))).toBe(false);
  });
});

describe("with a server", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres({ fsync: false });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("a backup of the embedded database moves the system to a server, and one of the server comes back", async () => {
    place.environment.DATABASE_URL = await server.createDatabase();
    await elsewhere("with-server", async () => {
      const both = await place.run("restore", made.file, "--into", "x");
      expect(both).toMatchObject({ status: 2, err: expect.stringContaining("DATABASE_URL") });
      expect(await place.json("restore", made.file)).toMatchObject({ events: made.events, records: made.records });
      expect(await place.run("restore", made.file)).toMatchObject({
        status: 1,
        err: expect.stringContaining("log.not_empty"),
      });
      place.environment.VIABLE_SECRET_KEY = readFileSync(place.path(".viable", "secret.key"), "utf8").trim();
      const onServer = await place.start();
      expect(await place.json("memory", "get", "colour")).toBe("blue");
      await place.run("memory", "set", "colour", "green");
      const back = await place.json<Made>("backup", "--file", "back.jsonl");
      onServer.signal("SIGTERM");
      await onServer.finished;
      delete place.environment.DATABASE_URL;
      delete place.environment.VIABLE_SECRET_KEY;
      expect(await place.json("restore", back.file, "--into", "back")).toMatchObject({ events: back.events });
    });
    bringSecret("back");
    await elsewhere("back", async () => {
      await place.start();
      expect(await place.json("memory", "get", "colour")).toBe("green");
    });
  });
});

const otherConfig = `
import { defineSystem } from "viable";
export default defineSystem({ name: "another", services: [] });
`;
