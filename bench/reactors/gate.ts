/** What runs do at the gate in their third step, and how many have come to their last one. */
export interface GateCounts {
  readonly held: number;
  readonly passed: number;
}

/** Holds runs in the middle of a step for as long as their process lives, or lets them through. */
export function createGate(isClosed: boolean) {
  const never = new Promise<void>(() => {});
  let held = 0;
  let passed = 0;
  return {
    hold(): Promise<void> | undefined {
      held += 1;
      return isClosed ? never : undefined;
    },
    pass: () => {
      passed += 1;
    },
    counts: (): GateCounts => ({ held, passed }),
  };
}
