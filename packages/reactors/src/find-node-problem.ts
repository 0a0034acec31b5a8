import type { Argument } from "./argument.ts";
import type { NodeDefinition } from "./definition.ts";

/** What a pool's name may take, in characters: as any name, it stands in tables and metrics. */
export const maxPoolChars = 64;
/** What an approval's title may take, in characters: a line that people read in a list, as a reason is. */
const maxTitleChars = 500;

/** What a wait may be told, by its kind. Under any other name it would be told to nobody, and a wait without its end has none. */
const waitArgs = { event: ["key", "timeoutMs"], approval: ["details", "timeoutMs"] } as const;

/** What is wrong with a step as it stands there by itself, whether it was built or read; what it takes from others is not looked at. */
export function findNodeProblem(node: NodeDefinition): string | undefined {
  // What a composed run begins with is for its input schema to judge.
  if (node.kind !== "compose" && !mayBeObject(node.args))
    return "args must be an object, whose members are refs and plain JSON";
  switch (node.kind) {
    case "step":
      if (node.pool !== undefined && !isText(node.pool, maxPoolChars))
        return `pool must be text of 1 to ${maxPoolChars} characters`;
      return node.findOutcome !== undefined && node.idempotent
        ? "findOutcome is asked of a step with idempotent: false, and of no other"
        : undefined;
    case "map":
      return mayBeList(node.over) ? undefined : "must map over a list";
    case "approval":
      if (!isText(node.title, maxTitleChars))
        return `title must be text of 1 to ${maxTitleChars} characters; what else is to be known goes into details`;
      return findUnknownArg(node.args, waitArgs.approval);
    case "event":
      return findUnknownArg(node.args, waitArgs.event);
    case "task":
      return isText(node.capability, Number.POSITIVE_INFINITY)
        ? undefined
        : "capability must be the name of what an agent can do";
    default:
      return undefined;
  }
}

function findUnknownArg(args: Argument, known: readonly string[]): string | undefined {
  const unknown = Object.keys(membersOf(args)).find((name) => !known.includes(name));
  return unknown === undefined ? undefined : `its args say "${unknown}", and may say ${known.join(", ")}`;
}

/** What is written out of an argument; nothing where it is a ref, and a run finds what that leads to. */
const membersOf = (args: Argument): object =>
  args.from === "object" ? args.members : args.from === "value" ? Object(args.value) : {};

const isText = (value: unknown, maxChars: number): boolean =>
  typeof value === "string" && value !== "" && value.length <= maxChars;

const mayBeObject = (args: Argument): boolean =>
  args.from === "value"
    ? typeof args.value === "object" && args.value !== null && !Array.isArray(args.value)
    : args.from !== "list";

const mayBeList = (over: Argument): boolean =>
  over.from === "value" ? Array.isArray(over.value) : over.from !== "object" && over.from !== "index";
