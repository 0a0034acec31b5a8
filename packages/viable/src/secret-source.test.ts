/** Where the secret is kept on this machine: made once and closed to others on the embedded database, and given on a server. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime, rootContext } from "@viable/kernel";
import { expect, onTestFinished, test } from "vitest";
import { secretFile, secretSource } from "./secret-source.ts";
import type { Settings } from "./settings.ts";

const ctx = rootContext(createRuntime());

function settingsOf(more: Partial<Settings> = {}): Settings {
  const stateDir = mkdtempSync(join(tmpdir(), "viable-secret-"));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  const basics = { databaseUrl: undefined, host: "127.0.0.1", port: 0, threads: 1, servicePorts: "any" } as const;
  return { stateDir, ...basics, ...more };
}

test("on the embedded database it is a file of 32 bytes that its owner alone may read, and none is written over", () => {
  const settings = settingsOf();
  const source = secretSource(settings);
  expect(source.read()).toBeUndefined();
  const made = source.make?.(ctx);
  expect(made).toHaveLength(32);
  expect(Buffer.from(source.read() ?? [])).toEqual(Buffer.from(made ?? []));
  expect(statSync(secretFile(settings.stateDir)).mode & 0o777).toBe(0o600);
  const before = readFileSync(secretFile(settings.stateDir), "utf8");
  expect(() => source.make?.(ctx)).toThrow("EEXIST");
  expect(readFileSync(secretFile(settings.stateDir), "utf8")).toBe(before);
});

test("on a server none is made or read from the folder, and what is given goes before the file", () => {
  const secretKey = Buffer.alloc(40, 3).toString("base64url");
  const onServer = settingsOf({ databaseUrl: "postgres://h/d" });
  writeFileSync(secretFile(onServer.stateDir), secretKey);
  expect(secretSource(onServer).make).toBeUndefined();
  expect(secretSource(onServer).read()).toBeUndefined();
  for (const databaseUrl of [undefined, "postgres://h/d"])
    expect(secretSource(settingsOf({ databaseUrl, secretKey })).read()).toHaveLength(40);
});

test.each(["", "short", "c2hvcnQ", `${"A".repeat(42)}!`])("%j is refused as no secret, and is not repeated", (text) => {
  const settings = settingsOf();
  writeFileSync(secretFile(settings.stateDir), text);
  expect(() => secretSource(settings).read()).toThrow(/secret\.key holds no secret/);
  expect(() => secretSource(settingsOf({ secretKey: `${text}?` })).read()).toThrow(/VIABLE_SECRET_KEY holds no secret/);
});
