import { z } from "zod";

/** Names fit with a version into a memory key of 200 characters. */
export const packageName = z
  .string()
  .regex(/^(@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/, "must look like swarm-tools or @house/swarm-tools")
  .max(100);

/** Semantic versions without build metadata: two that differ in nothing else would be the same version twice. */
export const packageVersion = z
  .string()
  .regex(
    /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?$/,
    "must be a semantic version such as 1.2.3 or 2.0.0-beta.1, without build metadata",
  )
  .max(64);

/** How a range is written; whether it is one is told by semver, which is loaded when it is needed. */
export const versionRange = z.string().max(200);

/** A package is read by people and fetched in one result. */
const maxFiles = 500;
/** In bytes. However it is written, it still fits into a result of four mebibytes, with the names of its files. */
export const maxPackageBytes = 2_000_000;
const maxPathChars = 200;
const maxDependencies = 100;

const file = z.strictObject({
  path: z.string().min(1).max(maxPathChars),
  content: z.string().max(Math.ceil(maxPackageBytes / 3) * 4),
  encoding: z.enum(["text", "base64"]).default("text"),
});

export const packageInput = z.strictObject({
  name: packageName,
  version: packageVersion,
  kind: z.enum(["agent", "reactor", "starter"]),
  description: z.string().min(1).max(500),
  files: z
    .array(file)
    .min(1)
    .max(maxFiles)
    .superRefine((files, refinement) => {
      for (const { index, reason } of findPathProblems(files.map((each) => each.path))) {
        refinement.addIssue({ code: "custom", path: [index, "path"], message: reason });
      }
    })
    .describe('What is in it, as [{"path","content","encoding"}]; encoding is text or base64'),
  dependencies: z
    .record(packageName, versionRange)
    .refine((names) => Object.keys(names).length <= maxDependencies, `names more than ${maxDependencies} packages`)
    .default({})
    .describe('What it needs, as {"name": "range"}'),
});

export type PackageInput = z.output<typeof packageInput>;

/** Paths that would leave the package's folder, or be one file on some machines and two on others. */
function* findPathProblems(paths: readonly string[]): Generator<{ index: number; reason: string }> {
  const seen = new Map<string, string>();
  for (const [index, path] of paths.entries()) {
    const reason = findPathProblem(path);
    if (reason !== undefined) yield { index, reason };
    const folded = path.normalize("NFC").toLowerCase();
    const other = seen.get(folded);
    if (other === path) yield { index, reason: "is there twice" };
    else if (other !== undefined) yield { index, reason: `is the same file as "${other}" where case does not count` };
    seen.set(folded, path);
  }
  for (const [index, path] of paths.entries()) {
    const parts = path.normalize("NFC").toLowerCase().split("/");
    const asFolder = parts.map((_, end) => parts.slice(0, end).join("/")).find((parent) => seen.has(parent));
    if (asFolder !== undefined) yield { index, reason: `needs a folder where the file "${seen.get(asFolder)}" is` };
  }
}

function findPathProblem(path: string): string | undefined {
  if (!path.isWellFormed()) return "is no text";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "is absolute; write it relative to the package";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\\\u0000-\u001f\u007f<>:"|?*]/.test(path)) return "has a character that not every file system takes";
  const parts = path.split("/");
  if (parts.includes("..")) return "leaves the package";
  if (parts.some((part) => part === "" || part === ".")) return "has a part that is empty or .";
  return parts.some((part) => /[. ]$/.test(part)) ? "has a part that ends in a dot or a space" : undefined;
}
