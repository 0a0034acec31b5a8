import { nearestNames, ViableError } from "@viable/kernel";

/** How many problems the message of an error tells; its details have more. */
const maxTold = 5;
/** For how many names near ones are looked for: it takes as long as there are names, and nobody reads more. */
export const maxSuggested = 20;

/** `reactor.invalid_json`: what was to be a definition has another shape. */
export const invalidJson = (
  problems: readonly { readonly path: string; readonly reason: string }[],
  count: number,
  next = "Correct it; `toJson` of a definition shows the shape.",
): ViableError => {
  const told = problems.slice(0, maxTold).map(({ path, reason }) => `${path}: ${reason}`);
  const rest = count > told.length ? `; and ${count - told.length} more` : "";
  return new ViableError("reactor.invalid_json", `The JSON of a reactor does not fit. ${told.join("; ")}${rest}.`, {
    next,
    details: { problems: problems.map(({ path, reason }) => ({ path, reason })), count },
  });
};

/** `reactor.hash_mismatch`: a JSON was changed after it was written, and says the hash it had. */
export const hashMismatch = (at: string, reactor: string, said: string, hash: string): ViableError =>
  new ViableError(
    "reactor.hash_mismatch",
    `${at}: the reactor "${reactor}" says the hash ${said}, and comes to ${hash}.`,
    {
      next: "It was changed after it was written. Leave out its hash and those of the reactors around it to have it read as another definition.",
      details: { path: `${at}.hash`, reactor, said, hash },
    },
  );

/** What one reactor was not given, or has no place for. */
export interface Gap {
  readonly path: string;
  readonly reactor: string;
  readonly missing: readonly string[];
  readonly unknown: readonly string[];
  readonly unknownChildren: readonly string[];
}

/** `reactor.functions_mismatch`: what is attached to a JSON is not what it names. */
export const functionsMismatch = (gaps: readonly Gap[]): ViableError => {
  const told = gaps.map(({ reactor, missing, unknown, unknownChildren }) => {
    const parts = [
      missing.length > 0 &&
        `lacks ${missing.map((each, index) => each + (index < maxSuggested ? nearTo(each, unknown) : "")).join(", ")}`,
      unknown.length > 0 && `has no place for ${unknown.join(", ")}`,
      unknownChildren.length > 0 && `does not compose ${unknownChildren.join(", ")}`,
    ];
    return `The reactor "${reactor}" ${parts.filter((part) => part !== false).join(", and ")}.`;
  });
  return new ViableError("reactor.functions_mismatch", told.join(" "), {
    next: "Give a function for each name in the JSON's functions, in its children too, and no others.",
    details: { reactors: gaps.map((gap) => ({ ...gap })) },
  });
};

/** Words that tell which names are near to one, if any are. */
export function nearTo(wanted: string, known: Iterable<string>): string {
  const near = nearestNames(wanted, known);
  return near.length === 0 ? "" : ` (near it: ${near.join(", ")})`;
}
