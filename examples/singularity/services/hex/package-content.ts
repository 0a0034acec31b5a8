import { createHash } from "node:crypto";
import { canonicalJson } from "@viable/kernel";
import type { JsonObject } from "viable";
import { ViableError } from "viable";
import { maxPackageBytes, type PackageInput } from "./package-schema.ts";

export type PackageFile = { readonly path: string; readonly bytes: number; readonly sha256: string };

/** All that a version is, but for the bytes of its files, which are named by their checksums. */
export type Manifest = Pick<PackageInput, "name" | "version" | "kind" | "description" | "dependencies"> & {
  /** In the order of their paths. */
  readonly files: readonly PackageFile[];
};

export interface PackageContent {
  readonly manifest: Manifest;
  /** Over the manifest, and through its checksums over every file, in the form of Subresource Integrity. */
  readonly integrity: string;
  /** What is in the files, by their checksums. */
  readonly bytes: ReadonlyMap<string, Buffer>;
}

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** `sha512-…` over the manifest as canonical JSON. */
export const integrityOf = (manifest: Manifest): string =>
  `sha512-${createHash("sha512")
    .update(canonicalJson(manifest as unknown as JsonObject))
    .digest("base64")}`;

/** Reads what is to be published. Throws `package.invalid` where a content is not what its encoding says, or all are too large. */
export function readContent({ name, version, kind, description, dependencies, files }: PackageInput): PackageContent {
  const bytes = new Map<string, Buffer>();
  let total = 0;
  const listed = files.map(({ path, content, encoding }, index): PackageFile => {
    const read = Buffer.from(content, encoding === "base64" ? "base64" : "utf8");
    if (encoding === "base64" ? read.toString("base64") !== content : !content.isWellFormed()) {
      throw invalid(`files[${index}] (${path}): its content is no ${encoding === "base64" ? "base64" : "UTF-8 text"}.`);
    }
    total += read.length;
    const sha256 = sha256Of(read);
    bytes.set(sha256, read);
    return { path, bytes: read.length, sha256 };
  });
  if (total > maxPackageBytes) throw invalid(`Its files have ${total} bytes; ${maxPackageBytes} are kept at most.`);
  listed.sort((a, b) => (a.path < b.path ? -1 : 1));
  const manifest: Manifest = { name, version, kind, description, dependencies, files: listed };
  return { manifest, integrity: integrityOf(manifest), bytes };
}

const invalid = (message: string): ViableError =>
  new ViableError("package.invalid", message, { next: "Nothing was published. Put it right and publish again." });
