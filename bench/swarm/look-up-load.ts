import { performance } from "node:perf_hooks";

/** So many capabilities in all, each offered by so many of the swarms. */
export interface LookUpShape {
  readonly swarms: number;
  readonly capabilities: number;
  readonly offeredBy: number;
}

/** How many entries of a capability a shape makes: what memory is counted by. */
export const offersOf = ({ capabilities, offeredBy }: LookUpShape): number => capabilities * offeredBy;

/** What one swarm offers: as many as all others, and each capability as many swarms. */
export function capabilitiesOf(shape: LookUpShape, swarm: number): readonly string[] {
  const each = offersOf(shape) / shape.swarms;
  return Array.from({ length: each }, (_, index) => nameOf((swarm * each + index) % shape.capabilities));
}

const nameOf = (capability: number): string => `area_${capability % 100}.operation_${capability}`;

/** Names in an order that no cache of a processor foresees. */
const stride = 7_919;
const lookUps = 100_000;

/** Microseconds for each look-up, over all names. Throws where nobody is found. */
export function timeLookUps({ capabilities }: LookUpShape, find: (capability: string) => string | undefined): number {
  const names = Array.from({ length: capabilities }, (_, index) => nameOf((index * stride) % capabilities));
  const beganMs = performance.now();
  for (let index = 0; index < lookUps; index++) {
    const name = names[index % capabilities] as string;
    if (find(name) === undefined) throw new Error(`Nobody was found for ${name}.`);
  }
  return ((performance.now() - beganMs) * 1_000) / lookUps;
}
