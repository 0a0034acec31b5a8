import { setTimeout as sleep } from "node:timers/promises";
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import type { PartSettings } from "./viable-part.ts";

/** Starts a process of a system of ours. */
export const startPart = (settings: PartSettings, execArgv: readonly string[] = []): Promise<Child> =>
  startChild(new URL("./viable-part.ts", import.meta.url), settings, { execArgv });

const lookEveryMs = 50;
/** How long it may take until one process knows of the others, in milliseconds: some seconds where the machine is busy. */
const maxWaitMs = 60_000;

/** Waits until a process knows so many swarms that offer a capability. */
export async function untilOffered(child: Child, capability: string, swarms: number): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    if ((await child.ask<number>({ ask: "offering", capability })) >= swarms) return;
    if (waitedMs > maxWaitMs) throw new Error(`Nobody, or too few, came to offer ${capability}.`);
    await sleep(lookEveryMs);
  }
}
