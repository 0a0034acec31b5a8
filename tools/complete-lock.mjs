// Adds the entries that npm leaves out of package-lock.json when the registry it resolved against lacks an optional package
// (another platform's binary); without them `npm ci` refuses the lockfile. No integrity is known for these, so npm checks none.
import { readFileSync, writeFileSync } from "node:fs";

const file = process.argv[2] ?? "package-lock.json";
const lock = JSON.parse(readFileSync(file, "utf8"));
const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const cpus = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];
const added = [];
for (const [, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (lock.packages[`node_modules/${name}`]) continue;
    const words = name.split(/[/_-]/);
    const os =
      systems.find((word) => words.includes(word)) ??
      (words.includes("mac") ? "darwin" : words.some((w) => w.startsWith("win")) ? "win32" : undefined);
    const cpu = cpus.find((word) => words.includes(word));
    lock.packages[`node_modules/${name}`] = {
      version: range.replace(/^[\^~]/, ""),
      ...(cpu && { cpu: [cpu] }),
      ...(entry.dev && { dev: true }),
      optional: true,
      ...(os && { os: [os] }),
      ...(words.includes("musl") && { libc: ["musl"] }),
    };
    added.push(`${name} ${os ?? "?"} ${cpu ?? "?"}`);
  }
}
const root = lock.packages[""];
delete lock.packages[""];
lock.packages = {
  "": root,
  ...Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en"))),
};
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.join("\n"));
