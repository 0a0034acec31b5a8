/** How much of a stack is told, in characters: what leads to places in the code, and not a document. */
const maxStackChars = 4_000;
/** How much of that an error's message may take, in characters: it stands in the event, and its places are what is looked for. */
const maxMessageChars = 1_000;
const maxCauses = 4;

/** What a function of a step threw where that may be a defect, and in which step. */
export interface Thrown {
  readonly runId: string;
  readonly reactor: string;
  /** As a path: `pay`, `ship[3]/label`. */
  readonly step: string;
  /** As it was thrown. `stackOf` says where. */
  readonly error: unknown;
}

/** The stack of an error, with those of its causes, in at most 4,000 characters; undefined of what has none. */
export function stackOf(thrown: unknown): string | undefined {
  const stacks: string[] = [];
  try {
    for (let each = thrown; hasStack(each) && stacks.length <= maxCauses; each = each.cause) stacks.push(shorten(each));
  } catch {
    // Even looking at it may throw: whose error it is decides what its members do.
  }
  return stacks.length === 0 ? undefined : stacks.join("\nCaused by: ").slice(0, maxStackChars);
}

const hasStack = (thrown: unknown): thrown is { readonly stack: string; readonly cause?: unknown } =>
  typeof thrown === "object" && thrown !== null && "stack" in thrown && typeof thrown.stack === "string";

function shorten({ stack }: { readonly stack: string }): string {
  const at = stack.indexOf("\n    at ");
  if (at <= maxMessageChars) return stack;
  return `${stack.slice(0, maxMessageChars)}…${stack.slice(at)}`;
}
