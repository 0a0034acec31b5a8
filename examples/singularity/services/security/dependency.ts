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

/** In characters. Expressions are shorter; some packages have the whole text of their licence there, and an answer names thousands. */
const maxLicenceChars = 200;

/** The licence that a manifest names, in all the shapes that were ever in use; `unknown` where it names none. Ends in `…` where it was cut. */
export function licenceOf(manifest: { readonly [field: string]: unknown }): string {
  const { license, licenses } = manifest;
  for (const value of [license, licenses]) {
    const names = (Array.isArray(value) ? value : [value]).map(nameOf).filter((name) => name !== undefined);
    // Several licences in a list were always a choice.
    if (names.length > 0) return cut(names.length === 1 ? (names[0] as string) : `(${names.join(" OR ")})`);
  }
  return unknown;
}

function nameOf(value: unknown): string | undefined {
  if (typeof value === "string" && value.trim() !== "") return value.trim();
  if (typeof value !== "object" || value === null || !("type" in value)) return undefined;
  return typeof value.type === "string" && value.type.trim() !== "" ? value.type.trim() : undefined;
}

/** Cut text is no expression any more, so that nobody takes its beginning for the whole. */
const cut = (licence: string): string =>
  licence.length > maxLicenceChars ? `${licence.slice(0, maxLicenceChars).toWellFormed()}…` : licence;

/** Whether a manifest has scripts that run when it is installed. */
export function hasInstallScripts(manifest: { readonly [field: string]: unknown }): boolean {
  const { scripts } = manifest;
  if (typeof scripts !== "object" || scripts === null) return false;
  return ["preinstall", "install", "postinstall"].some((name) => Object.hasOwn(scripts, name));
}
