import { invalidPlacement } from "./errors.ts";
import { checkPartName } from "./ownership.ts";

/** Who can take parts. */
export interface PlaceMember {
  readonly id: string;
  /** How many parts it takes compared with others: a whole number from 1 to 1,000. Default 1. */
  readonly weight?: number;
}

/**
 * Why a part is where it is. `kept`: its owner has room for it · `first`: nobody has it · `adopted`: its owner is none of the members ·
 * `moved`: its owner has more than its share · `nobody`: there are no members.
 */
export type PlaceReason = "kept" | "first" | "adopted" | "moved" | "nobody";

export interface PlacedPart {
  readonly part: string;
  /** Undefined where there are no members. */
  readonly owner: string | undefined;
  readonly reason: PlaceReason;
  /** Who has it now; undefined where nobody has. */
  readonly from: string | undefined;
}

/** How many parts one placement may have: each has two records, and every process that hosts it holds all of them in memory. */
const maxParts = 1_000;
const maxWeight = 1_000;

/**
 * Decides who is to have which part. A pure function: the same parts, members and owners give the same answer in every process, whatever
 * order they come in.
 *
 * How many each gets is by weight alone, in whole numbers, by the highest averages (the method of Jefferson and D'Hondt): the next part
 * goes where weight / (parts + 1) is highest, and of equals to whoever has it already. So nobody gets less than its share rounded down, nor
 * more than weight / total weight × (parts + members - 1); where all weigh the same, all have as many, or one more. Which ones each gets
 * is by rendezvous hashing: a part goes to the highest score among those who have room.
 *
 * With `now` (part → owner), nothing moves but what must: a join moves parts only to whoever joined, as many as it is to have; a leave
 * only those it had. Without it, as at the first start, nobody is spared.
 *
 * Throws `cluster.invalid_placement` where there are more than 1,000 parts, names come twice or weights are not as they must be.
 */
export function placeParts(
  parts: readonly string[],
  members: readonly PlaceMember[],
  now: ReadonlyMap<string, string> = new Map(),
): readonly PlacedPart[] {
  checkParts(parts);
  checkMembers(members);
  const sorted = [...parts].sort(byText);
  const heldBy = new Map<string, string[]>(members.map(({ id }) => [id, []]));
  for (const part of sorted) heldBy.get(now.get(part) ?? "")?.push(part);
  const quotas = countQuotas(sorted, members, heldBy);
  const placed = new Map<string, PlacedPart>();
  const loads = new Map<string, number>();
  for (const { id, weight = 1 } of members) {
    const kept = keepHighest(heldBy.get(id) as string[], quotas.get(id) as number, id, weight);
    loads.set(id, kept.length);
    for (const part of kept) placed.set(part, { part, owner: id, reason: "kept", from: id });
  }
  for (const part of sorted) {
    if (placed.has(part)) continue;
    const from = now.get(part);
    const rooms = members.filter(({ id }) => (loads.get(id) as number) < (quotas.get(id) as number));
    const owner = highestScore(part, rooms)?.id;
    if (owner !== undefined) loads.set(owner, (loads.get(owner) as number) + 1);
    const reason =
      owner === undefined ? "nobody" : from === undefined ? "first" : heldBy.has(from) ? "moved" : "adopted";
    placed.set(part, { part, owner, reason, from });
  }
  return parts.map((part) => placed.get(part) as PlacedPart);
}

/** How many of the parts each member is to have. Their sum is the number of parts, unless there are no members. */
export function countQuotas(
  parts: readonly string[],
  members: readonly PlaceMember[],
  heldBy: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, number> {
  const seats = members.map(({ id, weight = 1 }) => ({
    id,
    weight,
    quota: 0,
    held: heldBy.get(id)?.length ?? 0,
    // Who comes first of equals is by the parts, so that not the same one has the one more of every placement.
    tieBreak: hashText(`${id}\n${parts[0] ?? ""}`),
  }));
  if (seats.length > 0) {
    for (let count = 0; count < parts.length; count++) {
      const next = seats.reduce((best, seat) => (comesBefore(seat, best) ? seat : best));
      next.quota += 1;
    }
  }
  return new Map(seats.map(({ id, quota }) => [id, quota]));
}

interface Seat {
  readonly id: string;
  readonly weight: number;
  readonly quota: number;
  readonly held: number;
  readonly tieBreak: number;
}

function comesBefore(a: Seat, b: Seat): boolean {
  // weight / (quota + 1) in whole numbers, since equals must be found equal.
  const [averageA, averageB] = [a.weight * (b.quota + 1), b.weight * (a.quota + 1)];
  if (averageA !== averageB) return averageA > averageB;
  const [keepsA, keepsB] = [a.held > a.quota, b.held > b.quota];
  if (keepsA !== keepsB) return keepsA;
  return a.tieBreak === b.tieBreak ? a.id < b.id : a.tieBreak > b.tieBreak;
}

function keepHighest(held: readonly string[], quota: number, id: string, weight: number): readonly string[] {
  if (held.length <= quota) return held;
  const scores = new Map(held.map((part) => [part, placeScore(part, id, weight)]));
  const byScore = (a: string, b: string) => (scores.get(b) as number) - (scores.get(a) as number) || byText(a, b);
  return [...held].sort(byScore).slice(0, quota);
}

function highestScore(part: string, members: readonly PlaceMember[]): PlaceMember | undefined {
  let best: { readonly member: PlaceMember; readonly score: number } | undefined;
  for (const member of members) {
    const score = placeScore(part, member.id, member.weight ?? 1);
    if (best === undefined || score > best.score || (score === best.score && member.id < best.member.id)) {
      best = { member, score };
    }
  }
  return best?.member;
}

/** How much a part belongs to a member (weighted rendezvous hashing): above 0, and twice the weight wins twice as often. */
export function placeScore(part: string, memberId: string, weight: number): number {
  // Above 0 and below 1.
  const chance = (hashText(`${memberId}\n${part}`) + 0.5) / 2 ** 32;
  return -weight / Math.log(chance);
}

/** FNV-1a over UTF-16 units, then mixed as MurmurHash3 ends, since ids that were made together differ in few places. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function checkParts(parts: readonly string[]): void {
  if (parts.length > maxParts) {
    throw invalidPlacement(`There are ${parts.length} parts, and a placement takes ${maxParts}.`);
  }
  if (new Set(parts).size !== parts.length) throw invalidPlacement("A part is named twice.");
  for (const part of parts) checkPartName(part);
}

function checkMembers(members: readonly PlaceMember[]): void {
  if (new Set(members.map(({ id }) => id)).size !== members.length) throw invalidPlacement("A member is named twice.");
  for (const { id, weight = 1 } of members) checkWeight(weight, id);
}

export function checkWeight(weight: number, of: string): void {
  if (!Number.isSafeInteger(weight) || weight < 1 || weight > maxWeight) {
    throw invalidPlacement(`The weight of ${of} is ${weight}, and not a whole number from 1 to ${maxWeight}.`);
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
