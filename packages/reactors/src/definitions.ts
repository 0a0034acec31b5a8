import type { ReactorDefinition } from "./definition.ts";
import { invalidDefinition, unknownReactor } from "./errors.ts";
import { findDifference } from "./find-difference.ts";

/** The definitions that are here, those of composed reactors included, by name and by hash. */
export class Definitions {
  readonly #byName = new Map<string, ReactorDefinition[]>();

  /** Throws `reactor.invalid_definition` where two of one name and version differ. */
  constructor(definitions: readonly ReactorDefinition[]) {
    const add = (definition: ReactorDefinition) => {
      const { name, version } = definition;
      const same = this.#byName.get(name) ?? [];
      const known = same.find((each) => each.version === version);
      const difference = known && findDifference(known, definition);
      if (difference !== undefined)
        throw invalidDefinition(
          name,
          "version",
          `two definitions have version ${version}, and differ in ${difference}`,
          "Raise the version of the newer one, or hand in one of them.",
        );
      if (known !== undefined) return;
      this.#byName.set(
        name,
        [...same, definition].sort((one, other) => other.version - one.version),
      );
      for (const child of definition.children.values()) add(child);
    };
    for (const definition of definitions) add(definition);
  }

  /** By name, the newest version of each first. */
  get all(): readonly ReactorDefinition[] {
    return [...this.#byName.values()]
      .flat()
      .sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
  }

  /** What a new run begins with. Throws `reactor.unknown`. */
  newest(name: string): ReactorDefinition {
    const newest = this.#byName.get(name)?.[0];
    if (newest === undefined) throw unknownReactor(name, this.#byName.keys());
    return newest;
  }

  byHash(name: string, hash: string): ReactorDefinition | undefined {
    return this.#byName.get(name)?.find((definition) => definition.hash === hash);
  }
}
