import type { Context } from "@viable/kernel";
import type { Position } from "./events.ts";
import type { Log } from "./log.ts";
import type { Parked } from "./projection.ts";
import type { Generations } from "./projection-generations.ts";

// What is kept of projections in records: their generations, how far each has come, who keeps it up to date.

export const generationsKey = (name: string): string => `projections/${name}`;
export const progressKey = (name: string, generation: number): string => `projections/${name}/${generation}/at`;
export const ownerKey = (name: string, generation: number): string => `projections/${name}/${generation}/owner`;

/** A record as it was read, with the version that the next write expects. */
export interface Kept<T> {
  readonly value: T;
  readonly version: number;
}

/** How far a generation has come. */
export interface Progress {
  readonly position: Position;
  readonly parked?: Parked;
}

export async function readGenerations(ctx: Context, log: Log, name: string): Promise<Kept<Generations>> {
  const record = await log.getRecord(ctx, generationsKey(name));
  return { value: (record?.value ?? []) as unknown as Generations, version: record?.version ?? 0 };
}

export async function readProgress(
  ctx: Context,
  log: Log,
  name: string,
  generation: number,
): Promise<Kept<Progress> | undefined> {
  const record = await log.getRecord(ctx, progressKey(name, generation));
  return record && { value: record.value as unknown as Progress, version: record.version };
}
