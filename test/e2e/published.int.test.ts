// The packages as they would be published: built, packed, installed elsewhere under no path of this repository, and used there
// by their names: a system with an agent is started and asked, and what the packages say of their types holds for the compiler.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** For building, packing, installing and two starts, in milliseconds: most of it is npm. */
const maxMs = 600_000;

const config = `
import { agent, defineSystem, service } from "viable";
import { z } from "zod";

export default defineSystem({
  name: "hello",
  services: [
    service({
      name: "hello",
      description: "Says hello.",
      port: 0,
      agents: [
        agent({
          name: "greet",
          capability: "greet",
          description: "Greets whom it is told to.",
          input: z.strictObject({ name: z.string() }),
          handle: (_ctx, { name }) => \`Hello, \${name}\`,
        }),
      ],
    }),
  ],
});
`;
const systemTest = `
import { startTestSystem } from "@viable/testing";
import system from "./viable.config.ts";

await using started = await startTestSystem(system);
const client = await started.connect("api");
console.log(JSON.stringify(await client.run("greet", { name: "Elsewhere" })));
`;

test("packed and installed elsewhere, a system starts and answers, and the types are whole", {
  timeout: maxMs,
}, async () => {
  await using folder = await temporaryFolder();
  const { built, tarballs, place } = folder;
  await copyForBuilding(built);
  await run(built, process.execPath, join(root, "node_modules/typescript/bin/tsc"), "--build", "tsconfig.build.json");
  const packages = (await readdir(join(built, "packages"))).map((name) => join(built, "packages", name));
  await run(built, "npm", "pack", "--pack-destination", tarballs, ...packages);

  await writeFile(join(place, "package.json"), '{ "name": "elsewhere", "private": true, "type": "module" }');
  const files = (await readdir(tarballs)).map((name) => join(tarballs, name));
  await run(place, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", ...files, "zod@4.6.7");
  await writeFile(join(place, "viable.config.ts"), config);
  await writeFile(join(place, "system-test.ts"), systemTest);

  const viable = join(place, "node_modules/viable/bin/viable.mjs");
  await using started = await startSystem(place, viable);
  expect(started.written()).toContain("running hello");
  expect(await run(place, process.execPath, viable, "exec", "greet", "--name", "World")).toContain("Hello, World");
  expect(await run(place, process.execPath, "system-test.ts")).toContain("Hello, Elsewhere");
  const compile = [
    "--module",
    "nodenext",
    "--target",
    "esnext",
    "--strict",
    "--noEmit",
    "--types",
    "",
    "--allowImportingTsExtensions",
  ];
  await run(place, process.execPath, join(root, "node_modules/typescript/bin/tsc"), ...compile, "system-test.ts");
});

/** The repository's sources with its installed packages, but with its own ones standing for themselves. */
async function copyForBuilding(to: string): Promise<void> {
  await cp(join(root, "packages"), join(to, "packages"), {
    recursive: true,
    filter: (path) => !/[\\/](node_modules|dist)$/.test(path),
  });
  for (const name of ["tsconfig.json", "tsconfig.build.json", "tsconfig.package.json"])
    await cp(join(root, name), join(to, name));
  const modules = join(root, "node_modules");
  for (const name of await readdir(modules)) {
    if (name === "@viable" || name === "viable" || name.startsWith(".")) continue;
    await link(join(modules, name), join(to, "node_modules", name));
  }
  for (const name of await readdir(join(to, "packages"))) {
    await link(join(to, "packages", name), join(to, "node_modules", name === "viable" ? name : join("@viable", name)));
  }
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await symlink(target, path);
}

/** `viable start`, on its embedded database, as soon as it answers. */
async function startSystem(folder: string, viable: string) {
  const child = spawn(process.execPath, [viable, "start"], {
    cwd: folder,
    env: { ...process.env, VIABLE_PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let written = "";
  const ended = once(child, "close");
  const running = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        written += chunk;
        if (written.includes("SERVICE")) resolve();
      });
    }
  });
  await Promise.race([running, ended]);
  return {
    written: () => written,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Runs a program to its end and gives what it wrote. Fails with all of that where it does not end with 0. */
async function run(folder: string, program: string, ...args: string[]): Promise<string> {
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, PATH: path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let written = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (written += chunk));
  const [status] = await once(child, "close");
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}:\n${written}`);
  return written;
}

async function temporaryFolder() {
  const folder = await mkdtemp(join(tmpdir(), "viable-published-"));
  const [built, tarballs, place] = ["built", "tarballs", "place"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [built, tarballs, place]) await mkdir(each);
  return { built, tarballs, place, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
