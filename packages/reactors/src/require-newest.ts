import { ViableError } from "@viable/kernel";
import type { ReactorDefinition } from "./definition.ts";
import { unknownReactor } from "./errors.ts";

/**
 * Refuses what would begin runs of another definition than it names: `reactor.unknown` where none of that name is here,
 * `reactor.not_newest` where a newer version is. `definitions` has the newest of each name first.
 */
export function requireNewest(
  definitions: readonly ReactorDefinition[],
  { name, version, hash }: ReactorDefinition,
  by: string,
): void {
  const newest = definitions.find((each) => each.name === name);
  if (newest === undefined)
    throw unknownReactor(
      name,
      definitions.map((each) => each.name),
    );
  if (newest.hash !== hash)
    throw new ViableError(
      "reactor.not_newest",
      `${by} names version ${version} of "${name}", and runs would begin with version ${newest.version}.`,
      { next: "Name the newest version: new runs begin with that." },
    );
}
