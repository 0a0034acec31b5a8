/** That a folder's key is made once and put in place whole, whoever else is at it, and that a folder that takes none is told of. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openSealKey, readPublicKeys } from "./seal-key.ts";

const folder = mkdtempSync(join(tmpdir(), "viable-seal-key-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let folders = 0;
const newFolder = () => {
  const path = join(folder, String(++folders));
  mkdirSync(path);
  return path;
};

test("the key is made once, for its owner's eyes only, with its public key, and nothing is left beside them", () => {
  const path = newFolder();
  const { id } = openSealKey(path).publicKey;
  expect(openSealKey(path).publicKey.id).toBe(id);
  expect(readdirSync(path).toSorted()).toEqual([`seal-key-${id}.pub.pem`, "seal-key.pem"]);
  for (const name of readdirSync(path)) expect(statSync(join(path, name)).mode & 0o777).toBe(0o600);
  const signature = openSealKey(path).sign("text");
  expect(readPublicKeys(path).get(id)?.verifies("text", signature)).toBe(true);
});

test("what another process of the same number has begun is not touched", () => {
  const path = newFolder();
  const begun = join(path, `seal-key.pem.${process.pid}.new`);
  writeFileSync(begun, "another's");
  openSealKey(path);
  expect(readFileSync(begun, "utf8")).toBe("another's");
});

test("a public key that lies there is not written again; one that is damaged is replaced as a whole", () => {
  const path = newFolder();
  const publicPath = join(path, `seal-key-${openSealKey(path).publicKey.id}.pub.pem`);
  const pem = readFileSync(publicPath, "utf8");
  utimesSync(publicPath, 1, 1);
  openSealKey(path);
  expect(statSync(publicPath).mtimeMs).toBe(1_000);
  writeFileSync(publicPath, pem.slice(0, 20));
  const { ino } = statSync(publicPath);
  openSealKey(path);
  expect(readFileSync(publicPath, "utf8")).toBe(pem);
  expect(statSync(publicPath).ino).not.toBe(ino);
});

test("a folder that takes no key is told of, with what to do", () => {
  expect(() => openSealKey(join(folder, "none"))).toThrow(
    expect.objectContaining({
      code: "security.key_unreadable",
      next: expect.stringContaining("write into that folder"),
    }),
  );
});
