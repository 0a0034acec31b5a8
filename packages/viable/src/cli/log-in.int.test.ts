// A person logs in by the command line in a process of its own, with the password in a pipe: what is kept, what that opens, and that the password shows nowhere.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { rootContext } from "@viable/kernel";
import { expect, onTestFinished, test } from "vitest";
import { defineSystem } from "../index.ts";
import { commandLine } from "./testing/command-line.ts";

const main = join(import.meta.dirname, "main.ts");
const password = "canary-Password-1";

async function setup() {
  const secret = { read: () => new Uint8Array(32).fill(5) };
  const { system } = await commandLine(onTestFinished, defineSystem({ name: "log-ins", services: [] }), { secret });
  const folder = mkdtempSync(join(tmpdir(), "viable-log-in-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const viable = async (words: readonly string[], input = "", token?: string) => {
    const child = spawn(process.execPath, ["--conditions=viable-source", main, ...words], {
      cwd: folder,
      env: {
        VIABLE_URL: system.gatewayUrl,
        XDG_CONFIG_HOME: folder,
        ...(token !== undefined && { VIABLE_TOKEN: token }),
      },
    });
    child.stdin.end(input);
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { status: await ended, out, err };
  };
  return { system, viable, file: join(folder, "viable", "log-ins.json") };
}

test("viable login in a pipe keeps a token that opens what the role allows, and logout ends it", {
  timeout: 120_000,
}, async () => {
  const { system, viable, file } = await setup();
  const owner = system.ownerToken;
  expect(await viable(["user", "create", "anna", "viewer"], "", owner)).toMatchObject({ status: 0 });
  const set = await viable(["user", "password", "anna"], `${password}\n`, owner);
  expect(set).toMatchObject({ status: 0, out: "" });
  expect(await viable(["login", "anna"], "a wrong password\n")).toMatchObject({ status: 3, out: "" });
  const logged = await viable(["login", "anna", "--output", "json"], `${password}\n`);
  expect(logged).toMatchObject({ status: 0, err: "" });
  expect(JSON.parse(logged.out)).toMatchObject({ user: "anna", role: "viewer" });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await viable(["memory", "list", "--output", "json"])).toMatchObject({ status: 0 });
  // What is narrowed or inspected is the token that is shown, too.
  const inspected = await viable(["capability", "inspect", "--output", "json"]);
  expect(JSON.parse(inspected.out)).toMatchObject({ authority: { principal: "user:anna" } });
  expect(await viable(["user", "list"])).toMatchObject({ status: 3 });
  const { token } = JSON.parse(readFileSync(file, "utf8"))[system.gatewayUrl ?? ""];
  expect(await viable(["logout"])).toMatchObject({ status: 0 });
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({});
  expect(system.capabilities.verify(rootContext(system.runtime), token)).toBeUndefined();
  expect([set, logged].map(({ out, err }) => out + err).join()).not.toContain(password);
});
