/** One package that the tree depends on. */
export type Dependency = {
  readonly name: string;
  /** As installed or locked; `unknown` where neither says it. */
  readonly version: string;
  /** As its manifest or the lockfile names it; `unknown` where neither does: it is never guessed. */
  readonly licence: string;
  /** Where name and version are from. */
  readonly from: "lockfile" | "installed" | "manifest";
  /** A manifest of the tree names it; otherwise it came along with another. */
  readonly direct: boolean;
  /** Only for work on the tree, not for running it; absent where the source does not say. */
  readonly dev?: boolean;
  /** What the manifest asks for, where it does. */
  readonly range?: string;
  /** Whether it runs code on installation; absent where neither lockfile nor manifest says. */
  readonly installScripts?: boolean;
};

export const unknown = "unknown";

/** The licence that a manifest names, in all the shapes that were ever in use; `unknown` where it names none. */
export function licenceOf(manifest: { readonly [field: string]: unknown }): string {
  const { license, licenses } = manifest;
  for (const value of [license, licenses]) {
    if (typeof value === "string" && value.trim() !== "") return value.trim();
    if (Array.isArray(value)) {
      const names = value.map(nameOf).filter((name) => name !== undefined);
      if (names.length > 0) return names.length === 1 ? (names[0] as string) : `(${names.join(" OR ")})`;
    }
    const name = nameOf(value);
    if (name !== undefined) return name;
  }
  return unknown;
}

function nameOf(value: unknown): string | undefined {
  if (typeof value === "string" && value.trim() !== "") return value.trim();
  if (typeof value !== "object" || value === null || !("type" in value)) return undefined;
  return typeof value.type === "string" && value.type.trim() !== "" ? value.type.trim() : undefined;
}

/** Whether a manifest has scripts that run when it is installed. */
export function hasInstallScripts(manifest: { readonly [field: string]: unknown }): boolean {
  const { scripts } = manifest;
  if (typeof scripts !== "object" || scripts === null) return false;
  return ["preinstall", "install", "postinstall"].some((name) => Object.hasOwn(scripts, name));
}
