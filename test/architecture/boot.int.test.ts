// tools/boot.mjs as a process, in a folder of its own, with an npm that only pretends: it takes a moment and writes down that it
// was called. What npm itself does with our lockfile is shown by every run on a clean checkout.
import { type ChildProcess, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const pretendedNpm = `
import { appendFileSync, mkdirSync, rmSync } from "node:fs";
appendFileSync("npm-calls", process.argv.slice(2).join(" ") + "\\n");
rmSync("node_modules", { recursive: true, force: true });
await new Promise((done) => setTimeout(done, 500));
if (process.env.NPM_FAILS) process.exit(9);
mkdirSync("node_modules");
`;
const target = `
process.on("SIGTERM", () => process.exit(7));
console.log(JSON.stringify(process.argv.slice(2)));
if (process.argv[2] === "stay") setInterval(() => {}, 1_000);
else process.exit(Number(process.argv[2] ?? 0));
`;

class Checkout {
  readonly folder = mkdtempSync(join(tmpdir(), "viable-boot-"));

  constructor() {
    mkdirSync(join(this.folder, "tools"));
    copyFileSync(join(import.meta.dirname, "../../tools/boot.mjs"), join(this.folder, "tools/boot.mjs"));
    this.write("package-lock.json", "{}");
    this.write("npm.mjs", pretendedNpm);
    this.write("tools/target.ts", target);
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.folder, path), text);
  }

  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn(process.execPath, ["--conditions=viable-source", "tools/boot.mjs", "tools/target.ts", ...args], {
      cwd: this.folder,
      env: { ...process.env, npm_execpath: join(this.folder, "npm.mjs"), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ status: number | null; stdout: string }> {
    const child = this.start(args, env);
    let stdout = "";
    child.stdout?.on("data", (chunk) => {
      stdout += chunk;
    });
    return { status: await ended(child), stdout };
  }

  get installs(): number {
    const calls = join(this.folder, "npm-calls");
    return existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n").length : 0;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const ended = (child: ChildProcess): Promise<number | null> => new Promise((done) => child.on("close", done));

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((done) => setTimeout(done, 20));
}

describe("boot", () => {
  it("installs once, hands arguments and exit status through, and keeps stdout for the command", async () => {
    using checkout = new Checkout();
    expect(await checkout.run(["3", "--flag"])).toEqual({ status: 3, stdout: '["3","--flag"]\n' });
    expect(await checkout.run(["4"])).toEqual({ status: 4, stdout: '["4"]\n' });
    expect(checkout.installs).toBe(1);
  });

  it("installs again when the lockfile has changed", async () => {
    using checkout = new Checkout();
    await checkout.run([]);
    checkout.write("package-lock.json", '{ "changed": true }');
    await checkout.run([]);
    expect(checkout.installs).toBe(2);
  });

  it("installs once for commands that start together", async () => {
    using checkout = new Checkout();
    const runs = await Promise.all([checkout.run(["3"]), checkout.run(["4"]), checkout.run(["5"])]);
    expect(runs.map(({ status }) => status)).toEqual([3, 4, 5]);
    expect(checkout.installs).toBe(1);
    expect(existsSync(join(checkout.folder, ".cache/install.lock"))).toBe(false);
  });

  it("passes npm's failure on, runs nothing, and tries again next time", async () => {
    using checkout = new Checkout();
    expect(await checkout.run(["0"], { NPM_FAILS: "1" })).toEqual({ status: 9, stdout: "" });
    expect((await checkout.run(["0"])).status).toBe(0);
    expect(checkout.installs).toBe(2);
  });

  it("hands SIGTERM to the command, which ends in its own way", async () => {
    using checkout = new Checkout();
    const child = checkout.start(["stay"]);
    await new Promise((done) => child.stdout?.once("data", done));
    child.kill("SIGTERM");
    expect(await ended(child)).toBe(7);
  });

  it("waits for the npm of a boot that was killed, and then installs afresh", async () => {
    using checkout = new Checkout();
    const killed = checkout.start([]);
    await until(() => checkout.installs === 1);
    killed.kill("SIGKILL");
    const npms = readFileSync(join(checkout.folder, ".cache/install.lock/pids"), "utf8").split(" ").map(Number);
    const next = checkout.run(["3"]);
    await until(() => checkout.installs === 2);
    expect(() => process.kill(npms[1] as number, 0)).toThrow(/ESRCH/);
    expect((await next).status).toBe(3);
  });

  it("takes over a lock whose maker died before naming itself", async () => {
    using checkout = new Checkout();
    const lock = join(checkout.folder, ".cache/install.lock");
    mkdirSync(lock, { recursive: true });
    utimesSync(lock, 0, 0);
    expect((await checkout.run(["3"])).status).toBe(3);
  });
});
