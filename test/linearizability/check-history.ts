/** What somebody asked of one key, and what came of it, by one clock, in milliseconds. */
export interface Operation {
  readonly call: Call;
  /** Absent where the caller never heard: it may have happened at any time since, or never. */
  readonly answer?: Answer;
  readonly askedAt: number;
  /** Absent where the caller never heard. */
  readonly answeredAt?: number;
}

/** Values of a history are written once each, so that who reads one knows which write it is of. */
export type Call =
  | { readonly kind: "get" }
  | {
      readonly kind: "set";
      readonly value: string;
      readonly expected?: number;
      /** How long it is there, counted from some moment while it was set. */
      readonly expiresInMs?: number;
    }
  | { readonly kind: "delete" };

export type Answer =
  | { readonly kind: "found"; readonly value: string; readonly version: number }
  | { readonly kind: "absent" }
  | { readonly kind: "written"; readonly version: number }
  | { readonly kind: "conflict"; readonly actual: number }
  | { readonly kind: "deleted" };

/** Looking for an order takes exponential time at worst, and as many calls inside each other as there are operations. */
const maxOperations = 500;
/** An order that can be found is found after some thousands. What is not found after so many counts as wrong: nobody knows. */
const maxSituations = 1_000_000;

/**
 * Whether the operations on one key can have happened one after the other, each at some moment between its question and its answer
 * (linearizability, Herlihy and Wing 1990); answers what is wrong, or undefined. The search is that of Wing and Gong, with what has been
 * tried kept (Lowe 2017). At most 500 operations.
 *
 * That a value expires is one more thing that happens at one moment: it is there before and absent after, for everybody. When that is depends
 * on when it was set, so it may be as early or as late as the setting was.
 */
export function checkHistory(operations: readonly Operation[]): string | undefined {
  if (operations.length > maxOperations) throw new Error(`A history has ${maxOperations} operations at most.`);
  const steps: Step[] = [...operations, ...operations.flatMap(expiryOf)];
  const byTime = steps.toSorted((a, b) => a.askedAt - b.askedAt);
  const heard = byTime.filter((step): step is Heard => step.answeredAt !== undefined);
  const unheard = byTime.filter(({ call, answeredAt }) => answeredAt === undefined && call.kind !== "get");
  const versions = readVersions(heard);
  if (typeof versions === "string") return versions;
  return findOrder(heard, unheard, versions);
}

/** What happens at one moment: an operation, or that what an operation wrote expires. */
interface Step extends Omit<Operation, "call"> {
  readonly call: Call | { readonly kind: "expire"; readonly value: string; readonly writtenBy: Operation };
}

/** What happened for sure, and by when. */
interface Heard extends Step {
  readonly answeredAt: number;
}

/** The end of what an operation wrote for a while: within as much time as its own, or at any time where nobody heard of it. */
function expiryOf(operation: Operation): Step[] {
  const { call, answer, askedAt, answeredAt } = operation;
  if (call.kind !== "set" || call.expiresInMs === undefined || answer?.kind === "conflict") return [];
  return [
    {
      call: { kind: "expire", value: call.value, writtenBy: operation },
      // A wall clock has whole milliseconds: one that is asked for the time now may have said so a little earlier.
      askedAt: Math.floor(askedAt) + call.expiresInMs,
      ...(answeredAt !== undefined && { answeredAt: answeredAt + call.expiresInMs }),
    },
  ];
}

/** The value that stands there; undefined where none does. */
type State = string | undefined;
type Versions = ReadonlyMap<string, number>;

/** Which version each value has, as those say who wrote or found it. */
function readVersions(heard: readonly Heard[]): Versions | string {
  const versions = new Map<string, number>();
  for (const { call, answer } of heard) {
    const written = answer?.kind === "written" && call.kind === "set" ? { ...answer, value: call.value } : undefined;
    const told = answer?.kind === "found" ? answer : written;
    if (told === undefined) continue;
    const known = versions.get(told.value) ?? told.version;
    if (known !== told.version) return `"${told.value}" has version ${known} and version ${told.version}.`;
    versions.set(told.value, told.version);
  }
  return versions;
}

function findOrder(heard: readonly Heard[], unheard: readonly Step[], versions: Versions): string | undefined {
  const isPlaced = new Set<Step>();
  const tried = new Set<string>();
  const placed: Step[] = [];
  let deepest: { readonly placed: number; readonly next: readonly Step[] } = { placed: -1, next: [] };

  const goOn = (from: number, state: State): boolean => {
    let first = from;
    while (first < heard.length && isPlaced.has(heard[first] as Heard)) first += 1;
    if (first === heard.length) return true;
    let end = Number.POSITIVE_INFINITY;
    const candidates: Step[] = [];
    for (let index = first; index < heard.length && (heard[index] as Heard).askedAt < end; index++) {
      const step = heard[index] as Heard;
      if (isPlaced.has(step)) continue;
      candidates.push(step);
      end = Math.min(end, step.answeredAt);
    }
    // Who was asked after another had its answer cannot have been before it.
    const inTime = candidates.filter(({ askedAt }) => askedAt < end);
    inTime.push(...unheard.filter((step) => !isPlaced.has(step) && step.askedAt < end));
    // What was overwritten or deleted before it expired changes nothing any more, now or later: it need not be tried elsewhere.
    const past = inTime.find((step) => isPast(step, state, isPlaced));
    const open = past === undefined ? inTime : [past];
    const beyond = heard.flatMap((step, index) => (index > first && isPlaced.has(step) ? [index] : []));
    const lost = unheard.flatMap((step, index) => (isPlaced.has(step) ? [index] : []));
    const situation = `${first}|${beyond}|${lost}|${state}`;
    if (tried.has(situation) || tried.size === maxSituations) return false;
    tried.add(situation);
    if (placed.length > deepest.placed) deepest = { placed: placed.length, next: open };
    for (const step of open) {
      const after = isBeforeItsWrite(step, isPlaced) ? "refused" : apply(step, state, versions);
      if (after === "refused") continue;
      isPlaced.add(step);
      placed.push(step);
      if (goOn(first, after.state)) return true;
      placed.pop();
      isPlaced.delete(step);
    }
    return false;
  };

  if (goOn(0, undefined)) return undefined;
  if (tried.size === maxSituations) return `No order was found in ${maxSituations} tries.`;
  return `After ${deepest.placed} operations none of these can be next: ${JSON.stringify(deepest.next)}.`;
}

const isBeforeItsWrite = ({ call }: Step, isPlaced: ReadonlySet<Step>): boolean =>
  call.kind === "expire" && !isPlaced.has(call.writtenBy);

/** That something expires which does not stand there any more: values are written once. */
const isPast = (step: Step, state: State, isPlaced: ReadonlySet<Step>): boolean =>
  step.call.kind === "expire" && step.call.value !== state && !isBeforeItsWrite(step, isPlaced);

/** What stands there after a step, or that it cannot have had its answer where this stood there. */
function apply({ call, answer }: Step, state: State, versions: Versions): { readonly state: State } | "refused" {
  switch (call.kind) {
    case "get":
      if (answer?.kind === "found") return state === answer.value ? { state } : "refused";
      return state === undefined ? { state } : "refused";
    case "delete":
      return { state: undefined };
    case "expire":
      return { state: state === call.value ? undefined : state };
    case "set": {
      const version = state === undefined ? 0 : versions.get(state);
      const isExpected = call.expected === undefined || version === undefined || version === call.expected;
      if (answer?.kind === "conflict")
        return version === undefined || (version === answer.actual && !isExpected) ? { state } : "refused";
      if (!isExpected) return "refused";
      const grows = answer?.kind !== "written" || version === undefined || answer.version > version;
      return grows ? { state: call.value } : "refused";
    }
  }
}
