// node tools/complete-lock.mjs [FILE]: run after every change of dependencies. Adds the entries that npm leaves out of the
// lockfile, without a word, when the registry it asked lacks an optional package (mostly another platform's binary). `npm ci`
// refuses such a lockfile on a fresh clone. The registry told us nothing of these packages, so their entries have no integrity,
// and which machine they are for is read from their names.
import { readFileSync, writeFileSync } from "node:fs";

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];

const file = process.argv[2] ?? "package-lock.json";
const lock = JSON.parse(readFileSync(file, "utf8"));
const added = [];

for (const [location, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (lock.packages[`node_modules/${name}`] || lock.packages[`${location}/node_modules/${name}`]) continue;
    lock.packages[`node_modules/${name}`] = {
      version: range.replace(/^[\^~]/, ""),
      ...platformOf(name),
      ...(entry.dev && { dev: true }),
      optional: true,
    };
    added.push(`${name}@${range}`);
  }
}

// In npm's own order, so that its next change of the file shows only what it changed.
const { "": root, ...others } = lock.packages;
const sorted = Object.entries(others).sort(([a], [b]) => a.localeCompare(b, "en"));
lock.packages = { "": root, ...Object.fromEntries(sorted) };
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length === 0 ? `${file} is complete.` : `Added to ${file}:\n  ${added.join("\n  ")}`);

/** What `npm` checks before it installs: `@biomejs/cli-linux-arm64-musl` is for linux, arm64 and musl. */
function platformOf(name) {
  const words = name.split(/[/_-]/);
  const system = systems.find((each) => words.includes(each)) ?? shortSystemOf(words);
  const processor = processors.find((each) => words.includes(each));
  return {
    ...(processor && { cpu: [processor] }),
    ...(system && { os: [system] }),
    ...(words.includes("musl") && { libc: ["musl"] }),
  };
}

function shortSystemOf(words) {
  if (words.includes("mac")) return "darwin";
  return words.some((word) => word.startsWith("win")) ? "win32" : undefined;
}
