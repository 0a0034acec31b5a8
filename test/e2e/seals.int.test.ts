/**
 * Seven tampers, made with SQL by somebody who has the database and knows how it is built, are shown by the real command, which names the
 * first event concerned: an edit, a deletion, an insertion, a change of order, an event given to another tenant, a log that was cut off,
 * and one that went on from a backup. On the embedded database, and on a server that two processes write to.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import type { HealthView } from "@viable/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { eventually, Place } from "./cli.ts";

interface Verified {
  readonly sound: boolean;
  readonly first?: { readonly position?: string; readonly kind: string; readonly seal?: number };
  readonly head: string;
  readonly seals: number;
  readonly sealedTo: string;
  readonly outside: number;
  readonly notProven: readonly string[];
}

/** Positions grow by so much from a position on, in two steps: each is unique at every moment. */
const move = (from: string, by: number) => [
  `UPDATE viable.events SET position = -(position + ${by}) WHERE position >= ${from}`,
  "UPDATE viable.events SET position = -position WHERE position < 0",
];
/** A row like another, with some columns of its own. */
const copy = (position: string, columns: object) =>
  `INSERT INTO viable.events SELECT (jsonb_populate_record(e, '${JSON.stringify(columns)}')).* FROM viable.events e WHERE position = ${position}`;

/** Each with what it is told as. Position 5 is sealed. */
const tampers: readonly { name: string; sql: readonly string[]; found: object }[] = [
  {
    name: "edit",
    sql: [`UPDATE viable.events SET data = regexp_replace(data, '^\\{', '{"forged":true,') WHERE position = 5`],
    found: { position: "5", kind: "edited" },
  },
  {
    name: "edit to what is no JSON",
    sql: ["UPDATE viable.events SET data = '{' WHERE position = 5"],
    found: { position: "5", kind: "unreadable" },
  },
  { name: "delete", sql: ["DELETE FROM viable.events WHERE position = 5"], found: { position: "5", kind: "deleted" } },
  {
    name: "delete, and close the gap",
    sql: ["DELETE FROM viable.events WHERE position = 5", ...move("6", -1)],
    found: { position: "5", kind: "deleted" },
  },
  {
    name: "insert",
    sql: [...move("5", 1), copy("4", { position: 5, id: "evt_forged", stream: "forged", version: 1 })],
    found: { position: "5", kind: "inserted" },
  },
  {
    name: "reorder",
    sql: [
      "UPDATE viable.events SET position = -position WHERE position IN (5, 6)",
      "UPDATE viable.events SET position = 11 + position WHERE position < 0",
    ],
    found: { position: "5", kind: "reordered" },
  },
  {
    name: "cross-tenant swap",
    sql: ["UPDATE viable.events SET tenant = 'other' WHERE position = 5"],
    found: { position: "5", kind: "tenant_changed" },
  },
];
const truncate = (left: string) => [`DELETE FROM viable.events WHERE position > ${left}`];

async function verify(place: Place, ...words: string[]): Promise<{ status: number | null; verified: Verified }> {
  const done = await place.run("events", "verify", "--output", "json", ...words);
  if (done.out === "") throw new Error(`Nothing was verified: ${done.err}`);
  return { status: done.status, verified: JSON.parse(done.out) as Verified };
}

/** Starts the system, has it do something, and stops it. */
async function work(place: Place, text: string): Promise<void> {
  const system = await place.start();
  for (let nr = 0; nr < 3; nr++) await place.json("exec", "text.words", "--text", `${text} ${nr}`);
  system.signal("SIGTERM");
  expect((await system.finished).status).toBe(0);
}

describe("on the embedded database", () => {
  const place = new Place();
  const database = place.path(".viable", "database");
  const seals = place.path(".viable", "seals.jsonl");
  const asItWas = place.path("as-it-was");
  let head: string;

  /** Databases changed by somebody who opens them without us. */
  function tamper(changes: readonly { readonly database: string; readonly sql: readonly string[] }[]): void {
    place.write(
      "tamper.mjs",
      `import { PGlite } from "@electric-sql/pglite";
       for (const { database, sql } of JSON.parse(process.argv[2])) {
         const opened = await PGlite.create(database);
         for (const statement of sql) await opened.query(statement);
         await opened.close();
       }`,
    );
    const done = spawnSync(process.execPath, ["--liftoff-only", place.path("tamper.mjs"), JSON.stringify(changes)], {
      encoding: "utf8",
    });
    expect(done).toMatchObject({ status: 0, stderr: "" });
  }
  const putBack = () => {
    rmSync(database, { recursive: true });
    cpSync(asItWas, database, { recursive: true });
  };
  const copyFor = (name: string) => place.path(`tampered-${tampers.findIndex((each) => each.name === name)}`);

  beforeAll(async () => {
    await work(place, "first");
    const { status, verified } = await verify(place);
    expect({ status, ...verified }).toMatchObject({ status: 0, sound: true, seals: 1, outside: 1 });
    expect(Number(verified.sealedTo)).toBeGreaterThan(8);
    head = verified.head;
    cpSync(database, asItWas, { recursive: true });
    for (const { name } of tampers) cpSync(place.path(".viable"), copyFor(name), { recursive: true });
    tamper(tampers.map(({ name, sql }) => ({ database: join(copyFor(name), "database"), sql })));
  });
  afterAll(() => place[Symbol.asyncDispose]());

  test.each(tampers)("$name", async ({ name, found }) => {
    place.environment.VIABLE_STATE_DIR = copyFor(name);
    const { status, verified } = await verify(place).finally(() => delete place.environment.VIABLE_STATE_DIR);
    expect({ status, sound: verified.sound, ...verified.first }).toMatchObject({
      status: 1,
      sound: false,
      seal: 1,
      ...found,
    });
  });

  test("truncate, which only the seals outside show; without them that is what is told", async () => {
    putBack();
    tamper([{ database, sql: truncate("7") }]);
    const { status, verified } = await verify(place);
    expect({ status, ...verified.first }).toMatchObject({ status: 1, position: "8", kind: "truncated", seal: 1 });
    renameSync(seals, `${seals}.kept`);
    const alone = await verify(place);
    expect(alone).toMatchObject({ status: 0, verified: { sound: true, seals: 0 } });
    expect(alone.verified.notProven.join()).toContain("No seals from outside the database");
    expect((await verify(place, "--seals", `${seals}.kept`)).status).toBe(1);
    renameSync(`${seals}.kept`, seals);
  });

  test("fork from a backup: it is told while the system runs, and where it parts from what was", {
    timeout: 120_000,
  }, async () => {
    putBack();
    await work(place, "second");
    expect(await verify(place)).toMatchObject({ status: 0, verified: { seals: 2, outside: 2 } });
    const evidence = readFileSync(seals, "utf8");
    putBack();
    const system = await place.start();
    for (let nr = 0; nr < 5; nr++) await place.json("exec", "text.words", "--text", `other ${nr}`);
    await eventually(
      async () =>
        (await place.json<HealthView>("health")).checks.some(
          ({ name, status }) => name === "seals" && status === "degraded",
        ),
      () => "Health does not say that the file of seals tells of another log.",
    );
    // By the running system, and by a backup of it with what was kept elsewhere.
    const running = await verify(place);
    expect({ status: running.status, ...running.verified.first }).toMatchObject({
      status: 1,
      position: String(Number(head) + 1),
      kind: "forked",
    });
    system.signal("SIGTERM");
    await system.finished;
    const { status, verified } = await verify(place);
    expect({ status, ...verified.first }).toMatchObject({
      status: 1,
      position: String(Number(head) + 1),
      kind: "forked",
      seal: 2,
    });
    expect(readFileSync(seals, "utf8")).toBe(evidence);
    // Whoever did that on purpose moves the file aside and keeps it: it still tells of the other.
    renameSync(seals, `${seals}.kept`);
    expect((await verify(place)).status).toBe(0);
    expect((await verify(place, "--seals", `${seals}.kept`)).status).toBe(1);
    renameSync(`${seals}.kept`, seals);
  });

  test("a backup is verified where there is nothing else, and says as much as the database", {
    timeout: 120_000,
  }, async () => {
    putBack();
    rmSync(seals);
    await work(place, "again");
    await place.json("backup", "--file", "sound.jsonl");
    tamper([{ database, sql: tampers[0]?.sql ?? [] }]);
    await place.json("backup", "--file", "forged.jsonl");
    await using elsewhere = new Place();
    rmSync(elsewhere.path("viable.config.ts"));
    const keys = place.path(".viable", keyFiles(place)[0] ?? "");
    const told = ["--seals", seals, "--public-key", keys];
    const sound = await verify(elsewhere, "--backup", place.path("sound.jsonl"), ...told);
    expect(sound).toMatchObject({ status: 0, verified: { sound: true, seals: 2 } });
    const forged = await verify(elsewhere, "--backup", place.path("forged.jsonl"), ...told);
    expect({ status: forged.status, ...forged.verified.first }).toMatchObject({
      status: 1,
      position: "5",
      kind: "edited",
      seal: 1,
    });
    const unknown = await verify(elsewhere, "--backup", place.path("sound.jsonl"), "--seals", seals);
    expect({ status: unknown.status, ...unknown.verified.first }).toMatchObject({ status: 1, kind: "unknown_key" });
  });

  test("it is told for people and as YAML, and wrong usage ends with 2", async () => {
    putBack();
    tamper([{ database, sql: tampers[0]?.sql ?? [] }]);
    const table = await place.run("events", "verify");
    expect(table.status).toBe(1);
    expect(table.out).toMatch(/^tampered at position 5: edited \(seal 1\): the event \(.+\) is not what it was/);
    expect(table.out).toContain("Not proven:");
    expect(parseYaml((await place.run("events", "verify", "--output", "yaml")).out)).toMatchObject({ sound: false });
    for (const words of [
      ["--backup", "none.jsonl"],
      ["--seals", "none.jsonl"],
      ["--public-key", "none.pem"],
      ["--unknown"],
    ])
      expect(await place.run("events", "verify", ...words)).toMatchObject({ status: 2, out: "" });
    await using nowhere = new Place();
    expect(await nowhere.run("events", "verify")).toMatchObject({
      status: 2,
      out: "",
      err: expect.stringContaining("no database"),
    });
  });
});

/** The public keys of all that have sealed what a file of seals holds. */
const keyFiles = (place: Place): string[] => [
  ...new Set(
    readFileSync(place.path(".viable", "seals.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => `seal-key-${JSON.parse(line).keyId}.pub.pem`),
  ),
];

describe("on a server, with two processes", () => {
  const here = new Place();
  const there = new Place();
  let server: PostgresServer;
  let trusted: string[];

  beforeAll(async () => {
    server = await startPostgres({ own: true, fsync: false });
    for (const place of [here, there]) place.environment.DATABASE_URL = server.connectionString;
    const systems = [await here.start(), await there.start()];
    await Promise.all(
      [here, there].map(async (place) => {
        for (let nr = 0; nr < 4; nr++) await place.json("exec", "text.words", "--text", `${nr}`);
      }),
    );
    // Verified while both run, by one of them.
    expect((await here.run("events", "verify")).status).toBe(0);
    for (const system of systems) system.signal("SIGTERM");
    for (const system of systems) expect((await system.finished).status).toBe(0);
    // What the other one has sealed alone is in the file of this one as well, once it has run again.
    await work(there, "there");
    await work(here, "again");
    trusted = keyFiles(here).map(
      (name) => [here, there].map((place) => place.path(".viable", name)).find(existsSync) ?? name,
    );
    await server.query("CREATE TABLE as_it_was AS SELECT * FROM viable.events");
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await here[Symbol.asyncDispose]();
    await there[Symbol.asyncDispose]();
  });

  const putBack = async () => {
    await server.query("TRUNCATE viable.events");
    await server.query("INSERT INTO viable.events SELECT * FROM as_it_was");
  };
  const withKeys = () => trusted.flatMap((file) => ["--public-key", file]);

  test("what both sealed is one chain, sound by both keys, and not without", async () => {
    const { status, verified } = await verify(here, ...withKeys());
    expect({ status, ...verified }).toMatchObject({ status: 0, sound: true, outside: verified.seals });
    expect(verified.seals).toBeGreaterThanOrEqual(3);
    expect(trusted).toHaveLength(2);
    const own = await verify(here);
    expect({ status: own.status, ...own.verified.first }).toMatchObject({ status: 1, kind: "unknown_key" });
  });

  test.each([...tampers, { name: "truncate", sql: truncate("7"), found: { position: "8", kind: "truncated" } }])(
    "$name",
    async ({ sql, found }) => {
      await putBack();
      for (const statement of sql) await server.query(statement);
      const { status, verified } = await verify(here, ...withKeys());
      expect({ status, ...verified.first }).toMatchObject({ status: 1, seal: 1, ...found });
    },
  );

  test("fork from a backup", async () => {
    await putBack();
    const { verified } = await verify(here, ...withKeys());
    // The database as it was when the first seal had just been made; then another history.
    const first = JSON.parse(readFileSync(here.path(".viable", "seals.jsonl"), "utf8").split("\n")[0] ?? "") as {
      to: string;
    };
    const [row] = await server.query(
      "SELECT position FROM viable.events WHERE type = 'log.sealed' ORDER BY position LIMIT 1",
    );
    const parted = String(Math.max(Number(first.to), Number(row?.position)));
    for (const statement of truncate(parted)) await server.query(statement);
    const evidence = readFileSync(here.path(".viable", "seals.jsonl"), "utf8");
    await work(here, "another");
    const forked = await verify(here, ...withKeys());
    expect(forked.verified.seals).toBeGreaterThanOrEqual(2);
    expect({ status: forked.status, ...forked.verified.first }).toMatchObject({
      status: 1,
      position: String(Number(parted) + 1),
      kind: "forked",
    });
    expect(readFileSync(here.path(".viable", "seals.jsonl"), "utf8")).toBe(evidence);
    expect(verified.sound).toBe(true);
  });
});
