// A backup file says exactly what a snapshot says, and one in which anything is otherwise than it was written says nothing.
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SnapshotPage, Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { BackupSummary } from "./backup-file.ts";
import { checkBackup, readBackup, writeBackup } from "./backup-file.ts";

const folder = mkdtempSync(join(tmpdir(), "viable-backup-"));
afterAll(() => rmSync(folder, { recursive: true }));
const about = { system: "s", id: "exe_1", at: "2026-11-20T08:30:00.000Z" };

let files = 0;
let file: string;
beforeEach(() => {
  file = join(folder, `${++files}.jsonl`);
});

/** Texts that lines, escapes and other readers of lines would trip over. */
const texts = ['{"a":"\u2028\u2029\u0085"}', '{ "spaces":\n 1 }', '"\\"\\\\ud800 漢字 😀"', '{"kind":"end"}', "{}"];

async function filledStore(events = 2_500): Promise<Store> {
  const store = createMemoryStore();
  for (let nr = 1; nr <= events; nr++) {
    const data = texts[nr % texts.length] as string;
    const event = { id: `e${nr}`, type: "t", data, tenant: `t${nr % 3}`, session: null, correlation: "c" };
    const value = nr % 7 === 0 ? null : data;
    await store.commit(
      [
        {
          id: `e${nr}`,
          streams: [
            { stream: `s${nr % 5}`, expected: -1, events: [{ ...event, metadata: '{"actor":"x"}', time: nr + 0.25 }] },
          ],
          records: [{ key: `k${nr % 1_200}`, expected: -1, value, expiresAt: nr % 2 === 0 ? nr + 0.5 : null }],
        },
      ],
      nr,
    );
  }
  return store;
}

async function collect(pages: AsyncIterable<SnapshotPage>) {
  const found = { records: [] as unknown[], events: [] as unknown[], heads: [] as unknown[] };
  for await (const page of pages) {
    if (page.kind === "records") found.records.push(...page.records);
    if (page.kind === "events") found.events.push(...page.events);
    if (page.kind === "head") found.heads.push(page.head);
  }
  return found;
}

describe("what is written", () => {
  test("is read back as it was, byte for byte, and summed up", async () => {
    const store = await filledStore();
    const written = await writeBackup(file, about, store.snapshot());
    expect(written).toMatchObject({ ...about, events: 2_500, records: 1_200, ordinal: 2_500, change: 2_500 });
    expect(written.bytes).toBe((await stat(file)).size);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await checkBackup(file)).toEqual(written);
    expect(await collect(readBackup(file, written))).toEqual(await collect(store.snapshot()));
  });

  test("is restored into another store, which then says the same", async () => {
    const store = await filledStore();
    const written = await writeBackup(file, about, store.snapshot());
    const other = createMemoryStore();
    await other.restore(readBackup(file, written));
    expect(await collect(other.snapshot())).toEqual(await collect(store.snapshot()));
  });

  test.each([0, 1, 1_000])("of a log of %i events too", async (events) => {
    const store = await filledStore(events);
    const written = await writeBackup(file, about, store.snapshot());
    const other = createMemoryStore();
    await other.restore(readBackup(file, written));
    expect(await collect(other.snapshot())).toEqual(await collect(store.snapshot()));
  });

  test("tells how far it is", async () => {
    const told: unknown[] = [];
    const onPage = (...told1: unknown[]) => told.push(told1);
    await writeBackup(file, about, (await filledStore()).snapshot(), { onPage });
    expect(told).toEqual([
      [0, undefined],
      [0, undefined],
      [0, 2_500],
      [1_000, 2_500],
      [2_000, 2_500],
      [2_500, 2_500],
    ]);
  });
});

describe("there is a whole file or none", () => {
  const left = async () => (await readdir(folder)).filter((name) => name.startsWith(`${files}.`));

  test("where the database breaks off", async () => {
    const store = await filledStore();
    const broken = async function* () {
      for await (const page of store.snapshot()) {
        if (page.kind === "events") throw new Error("the database is gone");
        yield page;
      }
    };
    await expect(writeBackup(file, about, broken())).rejects.toThrow("the database is gone");
    expect(await left()).toEqual([]);
  });

  test("where it is cancelled", async () => {
    const cancel = new AbortController();
    const onPage = () => cancel.abort(new Error("cancelled"));
    const store = await filledStore();
    await expect(writeBackup(file, about, store.snapshot(), { onPage, signal: cancel.signal })).rejects.toThrow(
      "cancelled",
    );
    expect(await left()).toEqual([]);
  });

  test("where the disk would become too full for the database beside it", async () => {
    const freeBytes = async () => 256 * 1024 * 1024;
    await expect(writeBackup(file, about, (await filledStore()).snapshot(), { freeBytes })).rejects.toMatchObject({
      code: "backup.no_space",
    });
    expect(await left()).toEqual([]);
  });

  test("where there is no folder", async () => {
    const nowhere = join(folder, "no", "x.jsonl");
    await expect(writeBackup(nowhere, about, (await filledStore(1)).snapshot())).rejects.toMatchObject({
      code: "backup.not_writable",
    });
  });

  test("and none is overwritten; what an earlier try of the same work has left is cleared away", async () => {
    await writeFile(`${file}.exe_1.partial`, "half");
    await writeBackup(file, about, (await filledStore(1)).snapshot());
    const before = await readFile(file, "utf8");
    await expect(writeBackup(file, about, (await filledStore(2)).snapshot())).rejects.toMatchObject({
      code: "backup.exists",
    });
    expect(await readFile(file, "utf8")).toBe(before);
    expect(await left()).toEqual([`${files}.jsonl`]);
  });
});

describe("a file in which anything is otherwise is damaged", () => {
  const linesOf = (text: string) => text.trimEnd().split("\n");
  const damages: Record<string, (text: string) => string> = {
    "cut off after a line": (text) => `${linesOf(text).slice(0, -1).join("\n")}\n`,
    "cut off within its last line": (text) => text.slice(0, -3),
    "cut off within a line": (text) => text.slice(0, Math.floor(text.length / 2)),
    "with a letter changed": (text) => text.replace('"type":"t"', '"type":"u"'),
    "with a record changed": (text) => text.replace('"kind":"record","key":"k1"', '"kind":"record","key":"k9999"'),
    "with a version changed": (text) => text.replace('"version":1', '"version":2'),
    "with an event left out": (text) =>
      `${linesOf(text)
        .filter((line) => !line.includes('"id":"e3"'))
        .join("\n")}\n`,
    "with two lines in each other's place": (text) => {
      const lines = linesOf(text);
      const [first, second] = [lines[1] as string, lines[2] as string];
      return `${[lines[0], second, first, ...lines.slice(3)].join("\n")}\n`;
    },
    "with another count at its end": (text) => text.replace(/"events":\d+,"records"/, '"events":7,"records"'),
    "with more after its end": (text) => `${text}{}\n`,
    "with two heads": (text) => `${linesOf(text)[0]}\n${text}`,
    "of a later format": (text) => text.replace('"formatVersion":1', '"formatVersion":2'),
    "of another kind": () => '{"format":"viable-storage-backup","formatVersion":1,"tenant":"t","at":"x"}\n',
    "that is empty": () => "",
    "that is no text": () => "\u0000\u0001\n",
  };

  test.each(Object.keys(damages))("%s", async (what) => {
    await writeBackup(file, about, (await filledStore(20)).snapshot());
    const whole = await readFile(file, "utf8");
    const text = (damages[what] as (text: string) => string)(whole);
    expect(text).not.toBe(whole);
    await writeFile(file, text);
    await expect(checkBackup(file)).rejects.toMatchObject({ code: "backup.damaged" });
  });

  test("one with a line that has no end in sight is not read into memory", async () => {
    await writeFile(file, Buffer.alloc(33 * 1024 * 1024, "x"));
    await expect(checkBackup(file)).rejects.toMatchObject({
      code: "backup.damaged",
      message: expect.stringContaining("longer than"),
    });
  });

  test("one that is not there, and a folder", async () => {
    await expect(checkBackup(file)).rejects.toMatchObject({ code: "backup.not_found" });
    await expect(checkBackup(folder)).rejects.toMatchObject({ code: "backup.damaged" });
  });

  test("one that is changed after it was checked restores nothing", async () => {
    const written: BackupSummary = await writeBackup(file, about, (await filledStore(20)).snapshot());
    await writeBackup(`${file}.2`, about, (await filledStore(21)).snapshot());
    await writeFile(file, await readFile(`${file}.2`));
    const store = createMemoryStore();
    await expect(store.restore(readBackup(file, written))).rejects.toThrow();
    expect(await store.head()).toEqual({ ordinal: 0, change: 0 });
  });
});
