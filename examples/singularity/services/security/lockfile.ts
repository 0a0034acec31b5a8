/** What a lockfile says about one package. */
export type LockedPackage = {
  /** Its own name: what a manifest asks for by an alias is installed under another. */
  readonly name: string;
  readonly version: string;
  /** Where npm puts it, relative to the lockfile: `node_modules/a/node_modules/b`. */
  readonly location?: string;
  readonly licence?: string;
  readonly dev?: boolean;
  readonly installScripts?: boolean;
};

/** What a manifest asks for. */
export interface Asked {
  /** The manifest's folder relative to the lockfile's; empty where they are the same. */
  readonly folder: string;
  /** The name that it is installed under. */
  readonly name: string;
  readonly range: string;
}

/** What stands in place of a package where a folder of the tree itself is meant: that is no dependency. */
export const ofTree = "of the tree";

export interface Lockfile {
  readonly packages: readonly LockedPackage[];
  /** Which of the packages a manifest gets; undefined where the lockfile does not say. */
  find(asked: Asked): LockedPackage | typeof ofTree | undefined;
}

/** The packages among what a lockfile names, each once. */
export const packagesOf = (named: Iterable<LockedPackage | typeof ofTree>): LockedPackage[] =>
  [...new Set(named)].filter((each) => each !== ofTree);
