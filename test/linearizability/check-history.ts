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
  | {
      readonly kind: "found";
      readonly value: string;
      readonly version: number;
      /** From when on it is absent, or null for never; whoever does not ask leaves it out. */
      readonly expiresAt?: number | null;
    }
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
 * A value that expires is there for whoever is answered before its end, and absent for whoever asks after. Whoever asks before and is answered
 * after may see either: it goes by the time at a moment of its own, which need not be that at which it takes its place among the others.
 */
export function checkHistory(operations: readonly Operation[]): string | undefined {
  if (operations.length > maxOperations) throw new Error(`A history has ${maxOperations} operations at most.`);
  const byTime = operations.toSorted((a, b) => a.askedAt - b.askedAt);
  const heard = byTime.filter((operation): operation is Heard => operation.answer !== undefined);
  const unheard = byTime.filter(({ call, answer }) => answer === undefined && call.kind !== "get");
  const versions = readVersions(heard);
  if (typeof versions === "string") return versions;
  const expiries = readExpiries(operations);
  if (typeof expiries === "string") return expiries;
  return findOrder(heard, unheard, { versions, expiries });
}

interface Heard extends Operation {
  readonly answer: Answer;
  readonly answeredAt: number;
}

/** The value that stands there; undefined where none does. */
type State = string | undefined;
type Versions = ReadonlyMap<string, number>;
/** When values expire that do: not before and not after. */
type Expiries = ReadonlyMap<string, { readonly from: number; readonly to: number }>;

/** What is known of values. */
interface Known {
  readonly versions: Versions;
  readonly expiries: Expiries;
}

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

/** When each value expires: as those say who found it, else as early or as late as it may have been set. */
function readExpiries(operations: readonly Operation[]): Expiries | string {
  const expiries = new Map<string, { from: number; to: number }>();
  for (const { call, answer, askedAt, answeredAt = Number.POSITIVE_INFINITY } of operations) {
    if (call.kind !== "set" || call.expiresInMs === undefined || answer?.kind === "conflict") continue;
    // Such times are whole milliseconds, and count from the last one that had begun.
    const { value, expiresInMs } = call;
    expiries.set(value, { from: Math.floor(askedAt) + expiresInMs, to: Math.floor(answeredAt) + expiresInMs });
  }
  for (const { answer } of operations) {
    if (answer?.kind !== "found" || answer.expiresAt === undefined) continue;
    const { value, expiresAt } = answer;
    const possible = expiries.get(value);
    const canBe =
      possible === undefined || expiresAt === null
        ? possible === undefined && expiresAt === null
        : possible.from <= expiresAt && expiresAt <= possible.to;
    if (!canBe) return `"${value}" cannot expire at ${expiresAt}: ${JSON.stringify(possible)}.`;
    if (expiresAt !== null) expiries.set(value, { from: expiresAt, to: expiresAt });
  }
  return expiries;
}

function findOrder(heard: readonly Heard[], unheard: readonly Operation[], known: Known): string | undefined {
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
    if (tried.has(situation) || tried.size === maxSituations) return false;
    tried.add(situation);
    if (placed.length > deepest.placed) deepest = { placed: placed.length, next: open };
    for (const operation of open) {
      if (!mayFollow(operation, state, known)) continue;
      isPlaced.add(operation);
      placed.push(operation);
      if (goOn(first, apply(operation, state))) return true;
      placed.pop();
      isPlaced.delete(operation);
    }
    return false;
  };

  if (goOn(0, undefined)) return undefined;
  if (tried.size === maxSituations) return `No order was found in ${maxSituations} tries.`;
  return `After ${deepest.placed} operations none of these can be next: ${JSON.stringify(deepest.next)}.`;
}

/** What stands there after an operation. What has expired stands there still: whoever comes sees by the time that it has. */
function apply({ call, answer }: Operation, state: State): State {
  if (call.kind === "get" || answer?.kind === "conflict") return state;
  return call.kind === "set" ? call.value : undefined;
}

/** Whether an operation can have had its answer where this stood there. */
const mayFollow = (operation: Operation, state: State, { versions, expiries }: Known): boolean =>
  viewsOf(operation, state, expiries).some((view) => isAnswer(operation, view, versions));

/** What an operation may have taken what stood there for. */
function viewsOf({ askedAt, answeredAt }: Operation, state: State, expiries: Expiries): State[] {
  const expiry = state === undefined ? undefined : expiries.get(state);
  if (expiry === undefined) return [state];
  const views: State[] = [];
  if (Math.floor(askedAt) < expiry.to) views.push(state);
  if (Math.floor(answeredAt ?? Number.POSITIVE_INFINITY) >= expiry.from) views.push(undefined);
  return views;
}

function isAnswer({ call, answer }: Operation, view: State, versions: Versions): boolean {
  switch (call.kind) {
    case "get":
      return view === (answer?.kind === "found" ? answer.value : undefined);
    case "delete":
      return true;
    case "set": {
      const version = view === undefined ? 0 : versions.get(view);
      const isExpected = call.expected === undefined || version === undefined || version === call.expected;
      if (answer?.kind === "conflict") return version === undefined || (version === answer.actual && !isExpected);
      return isExpected && (answer?.kind !== "written" || version === undefined || answer.version > version);
    }
  }
}
