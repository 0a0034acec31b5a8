// npm run test:servers [-- ARGS]: what talks to servers, on those of the system's packages. As root on Debian it installs those that are
// missing; elsewhere it says what is missing and fails, since a tier that did not run proves nothing.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** A package of Debian's, and how to see that what it brings is there, whoever brought it. */
interface Server {
  readonly name: string;
  readonly isThere: () => boolean;
}

const servers: readonly Server[] = [
  { name: "postgresql-15", isThere: hasPostgres },
  { name: "nats-server", isThere: () => isInPath("nats-server") },
];

/** Where Debian, and nobody else, has what installs its packages. */
const apt = "/usr/bin/apt-get";

const missing = servers.filter(({ isThere }) => !isThere()).map(({ name }) => name);
if (missing.length > 0) {
  const isRootOnDebian = process.getuid?.() === 0 && existsSync(apt);
  if (!isRootOnDebian) {
    console.error(`Not on this machine: ${missing.join(", ")}. Install them, or run this as root on Debian.`);
    process.exit(1);
  }
  console.error(`Installing ${missing.join(" and ")} ...`);
  // The lists are fetched only where they do not know a package in its version of today.
  if (!install(missing)) {
    runApt(["update"]);
    if (!install(missing)) process.exit(1);
  }
  const still = servers.filter(({ isThere }) => !isThere()).map(({ name }) => name);
  if (still.length > 0) {
    console.error(`Installed, and not found afterwards: ${still.join(", ")}.`);
    process.exit(1);
  }
}
process.argv.push(...["postgres", "nats"].flatMap((name) => ["--project", `system-${name}`]));
await import("./test.ts");

/** One of any version; a client's package makes the folder, too. */
function hasPostgres(): boolean {
  const versions = "/usr/lib/postgresql";
  return (
    existsSync(versions) && readdirSync(versions).some((each) => existsSync(join(versions, each, "bin", "initdb")))
  );
}

function install(names: readonly string[]): boolean {
  return runApt(["install", "-y", "--no-install-recommends", ...names]);
}

function runApt(args: readonly string[]): boolean {
  const done = spawnSync(apt, args, {
    stdio: ["ignore", 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  return done.status === 0;
}

/** Debian keeps servers in /usr/sbin, which is not in everybody's path. */
function isInPath(name: string): boolean {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"].some((folder) => existsSync(join(folder, name)));
}
