// node tools/complete-lock.mjs [FILE]: run after every change of dependencies. Adds the entries that npm leaves out of the
// lockfile, without a word, when the registry it asked lacks an optional package (mostly another platform's binary). `npm ci`
// refuses such a lockfile on a fresh clone. The registry told us nothing of these packages, so their entries have no integrity,
// and which machine they are for is read from their names.
import { readFileSync, writeFileSync } from "node:fs";

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];

const file = process.argv[2] ?? "package-lock.json";
const lock = JSON.parse(readFileSync(file, "utf8"));
const entries = lock.packages;
const depth = (location) => location.split("node_modules/").length;

// What an earlier run added may be of a version that nobody asks for any more: it is worked out anew.
const before = new Map();
for (const [location, entry] of Object.entries(entries)) {
  if (!entry.optional || entry.integrity || entry.resolved || entry.link) continue;
  before.set(location, entry.version);
  delete entries[location];
}
const added = [];
// Shallow dependents first: they can only be served at the top, while a deeper one may keep its own version beside it.
for (const location of Object.keys(entries).sort((a, b) => depth(a) - depth(b))) {
  const entry = entries[location];
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (satisfies(find(location, name), range)) continue;
    const place = freePlace(location, name);
    const { cpu, libc, os } = platformOf(name);
    // The order of the fields is npm's own, too.
    entries[place] = {
      version: range.replace(/^[\^~]/, ""),
      ...(cpu && { cpu }),
      ...(entry.dev && { dev: true }),
      ...(libc && { libc }),
      optional: true,
      ...(os && { os }),
    };
    added.push(place);
  }
}

// In npm's own order, so that its next change of the file shows only what it changed.
const { "": root, ...others } = entries;
const sorted = Object.entries(others).sort(([a], [b]) => a.localeCompare(b, "en"));
lock.packages = { "": root, ...Object.fromEntries(sorted) };
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
const news = added.filter((place) => before.get(place) !== entries[place].version);
console.log(news.length === 0 ? `${file} was complete.` : `Added to ${file}:\n  ${news.join("\n  ")}`);

/** The entry that a package at `location` gets when it asks for `name`: the nearest one on the way up. */
function find(location, name) {
  const found = entries[join(location, name)];
  return found || location === "" ? found : find(folderAbove(location), name);
}

function folderAbove(location) {
  return location.slice(0, Math.max(0, location.lastIndexOf("/node_modules/")));
}

/** Beside the package that asks, where npm puts it too; inside that package where another version has the place. */
function freePlace(location, name) {
  const beside = join(folderAbove(location), name);
  return entries[beside] ? join(location, name) : beside;
}

function join(location, name) {
  return `${location}${location === "" ? "" : "/"}node_modules/${name}`;
}

/** Platform packages are asked for by exact version; a few by `^` or `~`. Whatever else a range may say is taken as met. */
function satisfies(entry, range) {
  if (!entry) return false;
  const [version, wanted] = [entry.version, range.replace(/^[\^~]/, "")];
  if (!/^[\^~]?\d/.test(range) || version === wanted) return true;
  if (range === wanted) return false;
  const parts = range.startsWith("~") || wanted.startsWith("0.") ? 2 : 1;
  return version.split(".").slice(0, parts).join() === wanted.split(".").slice(0, parts).join();
}

/** What npm checks before it installs: `@biomejs/cli-linux-arm64-musl` is for linux, arm64 and musl. */
function platformOf(name) {
  const words = name.split(/[/_-]/);
  const system = systems.find((each) => words.includes(each)) ?? shortSystemOf(words);
  const processor = processors.find((each) => words.includes(each));
  return {
    cpu: processor && [processor],
    os: system && [system],
    libc: words.includes("musl") ? ["musl"] : undefined,
  };
}

function shortSystemOf(words) {
  if (words.includes("mac")) return "darwin";
  return words.some((word) => word.startsWith("win")) ? "win32" : undefined;
}
