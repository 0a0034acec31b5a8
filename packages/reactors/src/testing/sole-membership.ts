import type { Membership } from "@viable/cluster";

/** The membership of a process that is the only one there is: all that others had claimed is free. */
export function soleMembership(processId: string, epoch: number): Membership {
  return {
    processId,
    epoch,
    state: "member",
    canClaim: true,
    start: async () => {},
    stop: async () => {},
    members: () => [{ id: processId, epoch, hosts: ["test"], address: undefined, state: "member" }],
    isGone: (claimedBy, claimedIn) => claimedBy !== processId || claimedIn !== epoch,
    onGone: () => () => {},
  };
}
