/**
 * What a log is worth, by its seals and, where there are, by those that were kept outside. Walks the log once, in order, and remembers no
 * more than two events and what one seal says. Changes nothing, and decides nothing by what it cannot prove: what is not proven is told.
 */
import { createHash } from "node:crypto";
import type { Position, StoredEvent } from "@viable/log";
import { comparePositions, startPosition, toOrdinal, toPosition } from "@viable/log";
import type { Seal } from "./seal.ts";
import { checkSignature, findBreak, hashOfSeal, leafOf, leafText, readSeal, readTags, tagOf } from "./seal.ts";
import type { PublicKey } from "./seal-key.ts";

/** An event as it was found, or a place where there is something that is no event any more. */
export type FoundEvent = StoredEvent | { readonly position: Position; readonly unreadable: string };

/** A log to be judged: its rows, as they are stored. */
export interface LogRows {
  /** Where it says that it ends. */
  readonly head: Position;
  /** Every event up to there, by position. */
  events(): AsyncIterable<FoundEvent>;
  /** Of the stream of seals those up to there that can be read, by version. */
  seals(): AsyncIterable<StoredEvent>;
}

/** What seems to have been done. What was done can be told only as far as a hash tells it. */
export type TamperKind =
  | "edited"
  | "deleted"
  | "inserted"
  | "reordered"
  | "tenant_changed"
  | "unreadable"
  | "truncated"
  | "forked"
  | "seal_edited"
  | "seal_deleted"
  | "unknown_key";

/** One thing that is not as it was sealed. */
export interface Finding {
  /** The first event concerned; undefined where a seal is gone and nobody can tell from where. */
  readonly position: Position | undefined;
  readonly kind: TamperKind;
  /** The seal that shows it; undefined where the log shows it by itself. */
  readonly seal: number | undefined;
  readonly detail: string;
}

export interface SealVerdict {
  /** Whether nothing was found. What was not looked at, and why, is in `notProven`. */
  readonly sound: boolean;
  /** The finding with the lowest position. */
  readonly first: Finding | undefined;
  readonly findings: readonly Finding[];
  readonly head: Position;
  /** Events that were read. */
  readonly events: number;
  /** Seals in the log. */
  readonly seals: number;
  /** Up to where seals prove it; the start where none does. */
  readonly sealedTo: Position;
  readonly sealedAt: number | undefined;
  /** Events behind that. */
  readonly unsealed: number;
  /** Seals from outside that it was held against. */
  readonly outside: number;
  /** Up to where they prove it. */
  readonly outsideTo: Position | undefined;
  readonly proven: readonly string[];
  readonly notProven: readonly string[];
}

export interface VerifyOptions {
  /** Public keys that are trusted, by id. */
  readonly keys: ReadonlyMap<string, PublicKey>;
  /** Seals that were kept outside the log, in order: all that should be in it, and no later ones. */
  readonly outside?: AsyncIterable<Seal> | undefined;
  /** Of seals that were kept outside and are not at hand the last one's number and hash: it stands for all before it. */
  readonly expected?: { readonly number: number; readonly hash: string } | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told after each seal up to where the log has been read. */
  onSeal?(to: Position): void;
}

/** After so many findings it looks no further: what is wrong is clear, and where it begins. */
const maxFindings = 20;
/** An event with more characters than this is tried in the places beside it alone: each try hashes it anew. */
const maxTriedChars = 65_536;
/** So many tenants are tried where an event may have been given to another. */
const maxTenants = 100;

/** Judges a log. Rejects only where it cannot be read, or the seals from outside cannot. */
export async function verifySeals(log: LogRows, options: VerifyOptions): Promise<SealVerdict> {
  const sources = {
    rows: peekable(log.seals()),
    events: peekable(log.events()),
    outside: peekable(options.outside ?? none()),
  };
  try {
    return await judgeLog(log.head, sources, options);
  } finally {
    for (const source of Object.values(sources)) await source.letGo();
  }
}

interface Sources {
  readonly rows: Peekable<StoredEvent>;
  readonly events: Peekable<FoundEvent>;
  readonly outside: Peekable<Seal>;
}

async function judgeLog(
  head: Position,
  { rows, events, outside }: Sources,
  options: VerifyOptions,
): Promise<SealVerdict> {
  const findings: Finding[] = [];
  const tenants = new Set<string>();
  const unknownKeys = new Set<string>();
  /** The seal before, where it is known and believed. */
  let last: Seal | "none yet" | undefined = "none yet";
  let readTo: Position = startPosition;
  let isCut = false;
  const count = { events: 0, seals: 0, outside: 0 };
  const proven: { seal?: Seal; outside?: Seal; readonly keyIds: Set<string> } = { keyIds: new Set() };

  for (let number = 1; findings.length < maxFindings && !isCut; number++) {
    options.signal?.throwIfAborted();
    const row = await takeRow(rows, number, findings);
    const known = (await outside.peek())?.number === number ? await outside.next() : undefined;
    const isEnd = (await rows.peek()) === undefined && (await outside.peek()) === undefined;
    if (row === undefined && known === undefined && isEnd) {
      if (options.expected !== undefined && options.expected.number >= number)
        findings.push(notThere(options.expected));
      break;
    }
    if (row !== undefined) count.seals += 1;
    if (known !== undefined) count.outside += 1;

    const judged = judgeSeal(row, known, number, options);
    // A key that is not known is told of once.
    findings.push(
      ...judged.findings.filter(({ kind }) => kind !== "unknown_key" || !unknownKeys.has(judged.seal?.keyId ?? "")),
    );
    const { seal } = judged;
    if (seal === undefined) {
      last = undefined;
      continue;
    }
    if (!options.keys.has(seal.keyId)) unknownKeys.add(seal.keyId);
    const broken =
      known === undefined && last !== undefined ? findBreak(last === "none yet" ? undefined : last, seal) : undefined;
    // The one before is believed and this one signed: two histories were put together.
    if (broken !== undefined) findings.push({ position: row?.position, kind: "forked", seal: number, detail: broken });
    last = seal;

    const { read, bad } = await checkStretch(events, seal, readTo, tenants, options.signal);
    count.events += read;
    readTo = seal.to;
    isCut = bad?.kind === "truncated";
    if (bad !== undefined)
      findings.push({ ...(judged.isFork && !isCut ? forkedAt(bad.position, number) : bad), seal: number });
    else if (row === undefined) findings.push(await goneSeal(events, seal));
    if (findings.length === 0) {
      proven.seal = seal;
      proven.keyIds.add(seal.keyId);
      if (known !== undefined) proven.outside = seal;
    }
    options.onSeal?.(seal.to);
  }

  if (!isCut && findings.length < maxFindings) {
    const { read, bad } = await readRest(events, readTo, head, options.signal);
    count.events += read;
    if (bad !== undefined) findings.push({ ...bad, seal: undefined });
  }
  const verdict = {
    sound: findings.length === 0,
    first: firstOf(findings),
    findings,
    head,
    events: count.events,
    seals: count.seals,
    sealedTo: proven.seal?.to ?? startPosition,
    sealedAt: proven.seal?.sealedAt,
    unsealed: Math.max(0, toOrdinal(head) - toOrdinal(proven.seal?.to ?? startPosition)),
    outside: count.outside,
    outsideTo: proven.outside?.to,
  };
  return { ...verdict, ...tellProof(verdict, options, [...proven.keyIds]) };
}

/**
 * Which seal to believe of a number, and what is wrong with those that are there. The one from outside is believed before the log's own;
 * `isFork` says that the log has none that agrees with it.
 */
function judgeSeal(
  row: StoredEvent | undefined,
  known: Seal | undefined,
  number: number,
  { keys, expected }: VerifyOptions,
): { readonly seal: Seal | undefined; readonly isFork: boolean; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const add = (kind: TamperKind, detail: string, position = row?.position) =>
    void findings.push({ position, kind, seal: number, detail });

  let own: Seal | undefined;
  if (row === undefined) {
    if (known === undefined) add("seal_deleted", `seal ${number} is gone or cannot be read, and there are later ones`);
  } else {
    own = readSeal(row.data);
    if (own?.number !== number) {
      add("seal_edited", `the event that should be seal ${number} is none`);
      own = undefined;
    } else if (checkSignature(own, keys) === "bad") {
      add("seal_edited", `the signature of seal ${number} does not fit it`);
      own = undefined;
    }
  }
  if (known !== undefined && checkSignature(known, keys) === "bad") {
    add("seal_edited", `seal ${number}, as it was kept outside, has a signature that does not fit it`, undefined);
    return { seal: own, isFork: false, findings };
  }
  const seal = known ?? own;
  // It is gone on with nonetheless: a later seal with a key that is trusted vouches for it.
  if (seal !== undefined && checkSignature(seal, keys) === "unknown_key")
    add(
      "unknown_key",
      `seal ${number} is signed with the key ${seal.keyId}, which is not among the trusted ones; if it is one of yours, name its public key`,
    );
  const isOther = own !== undefined && known !== undefined && hashOfSeal(own) !== hashOfSeal(known);
  const isUnexpected = own !== undefined && expected?.number === number && hashOfSeal(own) !== expected.hash;
  if (isOther || isUnexpected) add("forked", `the log has another seal ${number} than the one that was kept outside`);
  return { seal, isFork: known !== undefined && (isOther || row === undefined), findings };
}

const forkedAt = (position: Position, number: number) => ({
  position,
  kind: "forked" as const,
  detail: `what stands here and follows is not what was sealed as ${number} and kept outside`,
});

const notThere = ({ number }: { readonly number: number }): Finding => ({
  position: undefined,
  kind: "truncated",
  seal: number,
  detail: `the log has no seal ${number}, which was kept outside`,
});

/** Of a seal that is known from outside and whose stretch is as it was, only its own event is gone. */
async function goneSeal(events: Peekable<FoundEvent>, { number, to }: Seal): Promise<Finding> {
  const isLast = (await events.peek()) === undefined;
  const detail = `there is no seal ${number} in the log, which was kept outside`;
  return isLast
    ? { position: toPosition(toOrdinal(to) + 1), kind: "truncated", seal: number, detail }
    : { position: undefined, kind: "seal_deleted", seal: number, detail };
}

/** The row of a number; undefined where the next one is of a later. What comes out of turn is no seal of this log. */
async function takeRow(
  rows: Peekable<StoredEvent>,
  number: number,
  findings: Finding[],
): Promise<StoredEvent | undefined> {
  for (;;) {
    const row = await rows.peek();
    if (row === undefined || row.version > number) return undefined;
    await rows.next();
    if (row.version === number) return row;
    const detail = `version ${row.version} of the stream of seals comes out of turn`;
    findings.push({ position: row.position, kind: "seal_edited", seal: row.version, detail });
  }
}

type Bad = Pick<Finding, "kind" | "detail"> & { readonly position: Position };

/** Holds the events of a stretch against its seal. */
async function checkStretch(
  events: Peekable<FoundEvent>,
  seal: Seal,
  after: Position,
  tenants: Set<string>,
  signal: AbortSignal | undefined,
): Promise<{ readonly read: number; readonly bad: Bad | undefined }> {
  const tags = readTags(seal);
  const from = toOrdinal(seal.from);
  const root = createHash("sha256");
  let read = 0;
  let bad: Bad | undefined;
  // Of stretches whose seals are gone only this can be said: whether an event is missing.
  for (let expected = toOrdinal(after) + 1; expected < from; ) {
    signal?.throwIfAborted();
    const event = await events.peek();
    if (event === undefined) break;
    const ordinal = toOrdinal(event.position);
    if (ordinal === expected) {
      await events.next();
      read += 1;
      expected += 1;
    } else {
      bad ??= missing(expected);
      // A seal may name any position: what is not there is passed in one step.
      expected = Math.min(from, ordinal);
    }
  }
  for (let index = 0; index < tags.length; index++) {
    const position = toPosition(from + index);
    const event = await events.peek();
    if (event === undefined) {
      bad ??= {
        position,
        kind: "truncated",
        detail: `nothing is left from position ${position} on; seal ${seal.number} reaches ${seal.to}`,
      };
      return { read, bad };
    }
    if (comparePositions(event.position, position) > 0) {
      bad ??= missing(from + index);
      continue;
    }
    await events.next();
    read += 1;
    if ("unreadable" in event) {
      bad ??= { position, kind: "unreadable", detail: `the event cannot be read any more: ${event.unreadable}` };
      continue;
    }
    if (tenants.size < maxTenants) tenants.add(event.metadata.tenant);
    const leaf = leafOf(event);
    root.update(leaf, "hex");
    if (tagOf(leaf) !== tags[index])
      bad ??= { position, ...diagnose(event, await events.peek(), { from, tags, tenants }) };
  }
  if (bad === undefined && root.digest("base64url") !== seal.root) {
    const detail = `something between positions ${seal.from} and ${seal.to} is not what it was, and was made to look like it`;
    bad = { position: seal.from, kind: "edited", detail };
  }
  return { read, bad };
}

function missing(ordinal: number): Bad {
  const position = toPosition(ordinal);
  return { position, kind: "deleted", detail: `there is no event at position ${position}` };
}

/** What seems to have been done to the first event of a stretch that is not the one that was sealed there. */
function diagnose(
  event: StoredEvent,
  next: FoundEvent | undefined,
  {
    from,
    tags,
    tenants,
  }: { readonly from: number; readonly tags: readonly string[]; readonly tenants: Iterable<string> },
): Pick<Finding, "kind" | "detail"> {
  const what = `${event.type}, version ${event.version} of ${event.stream}`;
  const at = toOrdinal(event.position);
  const place = placeOf(event, from, tags);
  const nextPlace = next === undefined || "unreadable" in next ? undefined : placeOf(next, from, tags);
  if (place !== undefined) {
    const shift = place - at;
    if (shift > 0 && nextPlace === place + 1) {
      const detail = `${shift === 1 ? "an event" : `${shift} events`} that stood here ${shift === 1 ? "is" : "are"} gone, and what followed was moved up`;
      return { kind: "deleted", detail };
    }
    const detail = `the event (${what}) stood at position ${toPosition(place)}`;
    return { kind: "reordered", detail };
  }
  if (nextPlace === at) {
    const detail = `the event (${what}) was not there, and what stood here was moved down`;
    return { kind: "inserted", detail };
  }
  for (const tenant of tenants) {
    if (tagOf(leafOf({ ...event, metadata: { ...event.metadata, tenant } })) !== tags[at - from]) continue;
    const detail = `the event (${what}) was of tenant "${tenant}" and not of "${event.metadata.tenant}"`;
    return { kind: "tenant_changed", detail };
  }
  return { kind: "edited", detail: `the event (${what}) is not what it was` };
}

/** Where in a stretch an event stood that now stands elsewhere; its version may have been moved along. Undefined where nowhere. */
function placeOf(event: StoredEvent, from: number, tags: readonly string[]): number | undefined {
  const at = toOrdinal(event.position);
  const reach = leafText(event).length > maxTriedChars ? 1 : tags.length;
  const first = Math.max(from, at - reach);
  const last = Math.min(from + tags.length - 1, at + reach);
  for (let place = first; place <= last; place++) {
    if (place === at) continue;
    for (const version of [event.version, event.version + Math.sign(place - at)]) {
      const moved = { ...event, position: toPosition(place), version };
      if (tagOf(leafOf(moved)) === tags[place - from]) return place;
    }
  }
  return undefined;
}

/** What stands behind the last seal: that nothing is missing among it, and that the log ends where it says. */
async function readRest(
  events: Peekable<FoundEvent>,
  after: Position,
  head: Position,
  signal: AbortSignal | undefined,
): Promise<{ readonly read: number; readonly bad: Bad | undefined }> {
  let expected = toOrdinal(after) + 1;
  let read = 0;
  let bad: Bad | undefined;
  for (let event = await events.next(); event !== undefined; event = await events.next()) {
    signal?.throwIfAborted();
    read += 1;
    const { position } = event;
    if (toOrdinal(position) > expected) bad ??= missing(expected);
    if ("unreadable" in event)
      bad ??= { position, kind: "unreadable", detail: `the event cannot be read any more: ${event.unreadable}` };
    expected = toOrdinal(position) + 1;
  }
  if (expected <= toOrdinal(head)) {
    const position = toPosition(expected);
    const detail = `the log says that it reaches ${head}, and nothing is left from ${position} on`;
    bad ??= { position, kind: "truncated", detail };
  }
  return { read, bad };
}

/** The finding with the lowest position; of several the one that was made first. What has no position comes last. */
function firstOf(findings: readonly Finding[]): Finding | undefined {
  const placeIn = ({ position }: Finding) => (position === undefined ? Number.POSITIVE_INFINITY : toOrdinal(position));
  return findings.toSorted((a, b) => (placeIn(a) < placeIn(b) ? -1 : placeIn(a) > placeIn(b) ? 1 : 0))[0];
}

/** What the verdict stands on, and what nobody can know from it. */
function tellProof(
  verdict: Omit<SealVerdict, "proven" | "notProven">,
  { outside, expected }: VerifyOptions,
  keyIds: readonly string[],
): Pick<SealVerdict, "proven" | "notProven"> {
  const { sealedTo, head, unsealed, outsideTo, sound } = verdict;
  const proven: string[] = [];
  const notProven: string[] = [];
  if (sealedTo !== startPosition)
    proven.push(
      `Events 1 to ${sealedTo} are what was sealed, in order and without gaps, by the ${keyIds.length === 1 ? "key" : "keys"} ${keyIds.join(", ")}.`,
    );
  if (outsideTo !== undefined)
    proven.push(
      `Up to ${outsideTo} the seals are those that were kept outside: nothing was cut off or written anew since.`,
    );
  if (expected !== undefined && sound)
    proven.push(`Up to seal ${expected.number} the seals are those that were kept outside.`);
  if (unsealed > 0 && sound)
    notProven.push(
      sealedTo === startPosition
        ? `Nothing is sealed yet: of the events up to ${head} it is only known that none is missing in between.`
        : unsealed === 1
          ? `Event ${head} is not sealed yet.`
          : `Events ${toPosition(toOrdinal(sealedTo) + 1)} to ${head} are not sealed yet.`,
    );
  if (outside === undefined && expected === undefined)
    notProven.push(
      "No seals from outside the database were there to compare with: that nothing was cut off at the end, and that whoever has the key did not write history anew, cannot be seen.",
    );
  notProven.push("What an event was before it was sealed, a minute at most, nobody can tell.");
  return { proven, notProven };
}

interface Peekable<T> {
  peek(): Promise<T | undefined>;
  next(): Promise<T | undefined>;
  /** Ends the reading, wherever it is: a file may be open for it. */
  letGo(): Promise<void>;
}

function peekable<T>(source: AsyncIterable<T>): Peekable<T> {
  const iterator = source[Symbol.asyncIterator]();
  let ahead: { readonly value: T | undefined } | undefined;
  const peek = async () => {
    if (ahead === undefined) {
      const result = await iterator.next();
      ahead = { value: result.done === true ? undefined : result.value };
    }
    return ahead.value;
  };
  return {
    peek,
    async next() {
      const value = await peek();
      if (value !== undefined) ahead = undefined;
      return value;
    },
    async letGo() {
      await iterator.return?.();
    },
  };
}

async function* none(): AsyncGenerator<never> {}
