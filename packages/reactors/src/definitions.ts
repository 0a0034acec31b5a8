import { invariant } from "@viable/kernel";
import type { ReactorDefinition } from "./definition.ts";
import { unknownReactor } from "./errors.ts";

/** The definitions that are here, those of composed reactors included, by name and by hash. */
export class Definitions {
  readonly #byName = new Map<string, ReactorDefinition[]>();

  constructor(definitions: readonly ReactorDefinition[]) {
    const add = (definition: ReactorDefinition) => {
      const same = this.#byName.get(definition.name) ?? [];
      if (same.some(({ hash }) => hash === definition.hash)) return;
      const clash = same.find(({ version }) => version === definition.version);
      invariant(
        clash === undefined,
        "W8",
        `two definitions of "${definition.name}" have version ${definition.version} and different graphs: raise the version of the newer one`,
      );
      this.#byName.set(
        definition.name,
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
