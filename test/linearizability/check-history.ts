/** What somebody asked of one key, and what came of it, by one clock. */
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
  | { readonly kind: "set"; readonly value: string; readonly expected?: number }
  | { readonly kind: "delete" };

export type Answer =
  | { readonly kind: "found"; readonly value: string; readonly version: number }
  | { readonly kind: "absent" }
  | { readonly kind: "written"; readonly version: number }
  | { readonly kind: "conflict"; readonly actual: number }
  | { readonly kind: "deleted" };

/** Looking for an order takes exponential time at worst, and as many calls inside each other as there are operations. */
const maxOperations = 500;

/**
 * Whether the operations on one key can have happened one after the other, each at some moment between its question and its answer
 * (linearizability, Herlihy and Wing 1990); answers what is wrong, or undefined. The search is that of Wing and Gong, with what has been
 * tried kept (Lowe 2017). At most 500 operations.
 */
export function checkHistory(operations: readonly Operation[]): string | undefined {
  if (operations.length > maxOperations) throw new Error(`A history has ${maxOperations} operations at most.`);
  const byTime = operations.toSorted((a, b) => a.askedAt - b.askedAt);
  const heard = byTime.filter((operation): operation is Heard => operation.answer !== undefined);
  const unheard = byTime.filter(({ call, answer }) => answer === undefined && call.kind !== "get");
  const versions = readVersions(heard);
  if (typeof versions === "string") return versions;
  return findOrder(heard, unheard, versions);
}

interface Heard extends Operation {
  readonly answer: Answer;
  readonly answeredAt: number;
}

/** The value that stands there; undefined where none does. */
type State = string | undefined;
type Versions = ReadonlyMap<string, number>;

/** Which version each value has, as those say who wrote or found it. */
function readVersions(heard: readonly Heard[]): Versions | string {
  const versions = new Map<string, number>();
  for (const { call, answer } of heard) {
    const written = answer.kind === "written" && call.kind === "set" ? { ...answer, value: call.value } : undefined;
    const told = answer.kind === "found" ? answer : written;
    if (told === undefined) continue;
    const known = versions.get(told.value) ?? told.version;
    if (known !== told.version) return `"${told.value}" has version ${known} and version ${told.version}.`;
    versions.set(told.value, told.version);
  }
  return versions;
}

function findOrder(heard: readonly Heard[], unheard: readonly Operation[], versions: Versions): string | undefined {
  const isPlaced = new Set<Operation>();
  const tried = new Set<string>();
  const placed: Operation[] = [];
  let deepest: { readonly placed: number; readonly next: readonly Operation[] } = { placed: -1, next: [] };

  const goOn = (from: number, state: State): boolean => {
    let first = from;
    while (first < heard.length && isPlaced.has(heard[first] as Heard)) first += 1;
    if (first === heard.length) return true;
    let end = Number.POSITIVE_INFINITY;
    const candidates: Operation[] = [];
    for (let index = first; index < heard.length && (heard[index] as Heard).askedAt < end; index++) {
      const operation = heard[index] as Heard;
      if (isPlaced.has(operation)) continue;
      candidates.push(operation);
      end = Math.min(end, operation.answeredAt);
    }
    // Who was asked after another had its answer cannot have been before it.
    const open = candidates.filter(({ askedAt }) => askedAt < end);
    open.push(...unheard.filter((operation) => !isPlaced.has(operation) && operation.askedAt < end));
    const beyond = heard.flatMap((operation, index) => (index > first && isPlaced.has(operation) ? [index] : []));
    const lost = unheard.flatMap((operation, index) => (isPlaced.has(operation) ? [index] : []));
    const situation = `${first}|${beyond}|${lost}|${state}`;
    if (tried.has(situation)) return false;
    tried.add(situation);
    if (placed.length > deepest.placed) deepest = { placed: placed.length, next: open };
    for (const operation of open) {
      const after = apply(operation, state, versions);
      if (after === "refused") continue;
      isPlaced.add(operation);
      placed.push(operation);
      if (goOn(first, after.state)) return true;
      placed.pop();
      isPlaced.delete(operation);
    }
    return false;
  };

  if (goOn(0, undefined)) return undefined;
  return `After ${deepest.placed} operations none of these can be next: ${JSON.stringify(deepest.next)}.`;
}

/** What stands there after an operation, or that it cannot have had its answer where this stood there. */
function apply({ call, answer }: Operation, state: State, versions: Versions): { readonly state: State } | "refused" {
  switch (call.kind) {
    case "get":
      if (answer?.kind === "found") return state === answer.value ? { state } : "refused";
      return state === undefined ? { state } : "refused";
    case "delete":
      return { state: undefined };
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
