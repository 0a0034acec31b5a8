// The subject `@dbos-inc/dbos-sdk`: a library over its tables on the same server, in a process of its own.
import { performance } from "node:perf_hooks";
import type { Place } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { createGate } from "./gate.ts";
import { createStepTimes } from "./long-run.ts";
import type { Numbered } from "./numbered.ts";
import { checkCount, checkJoined, elementsOf } from "./numbered.ts";
import type { RunLoad } from "./run-load.ts";
import { driveRuns } from "./run-load.ts";

interface Dbos {
  readonly DBOS: {
    setConfig(config: object): void;
    launch(): Promise<void>;
    shutdown(): Promise<void>;
    registerWorkflow<Input, Output>(
      run: (input: Input) => Promise<Output>,
      options: { name: string },
    ): (input: Input) => Promise<Output>;
    startWorkflow<Input, Output>(workflow: (input: Input) => Promise<Output>): (input: Input) => Promise<unknown>;
    runStep<Result>(run: () => Promise<Result>, options: { name: string }): Promise<Result>;
  };
}

const { DBOS } = loadPeer<Dbos>("@dbos-inc/dbos-sdk");
const { databaseUrl, isGateClosed = false } = readSettings<Place & { readonly isGateClosed?: boolean }>();

/** How long a statement may wait for its turn in the pool, in seconds: with its own ten, thousands of runs at once begin to retry. */
const connectTimeoutSeconds = "600";
const url = new URL(databaseUrl as string);
url.searchParams.set("connect_timeout", connectTimeoutSeconds);

DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: url.href,
  // Twice its own default: 10 and 50 made no difference that could be told from chance.
  systemDatabasePoolSize: 20,
  // What it has to say of each run is not written down; what goes wrong is.
  logger: { debug() {}, info() {}, warn: console.error, error: console.error },
  // Off by itself, whatever stands in the environment: no traces are made and nothing is sent to anybody.
  tracingEnabled: false,
  enableOTLP: false,
});

const addOne = (n: number, name: string): Promise<Numbered> => DBOS.runStep(async () => ({ n: n + 1 }), { name });

const run = DBOS.registerWorkflow(
  async ({ steps, n }: { steps: number; n: number }): Promise<Numbered> => {
    let last: Numbered = { n };
    for (let step = 1; step <= steps; step++) last = await addOne(last.n, `s${step}`);
    return last;
  },
  { name: "run" },
);

let times = createStepTimes(0);
const longRun = DBOS.registerWorkflow(
  async ({ steps }: { steps: number }): Promise<number> => {
    let count = 0;
    for (const element of elementsOf(steps)) {
      await DBOS.runStep(
        async () => {
          times.begin();
          return { n: element + 1 };
        },
        { name: "one" },
      );
      count += 1;
    }
    return count;
  },
  { name: "long" },
);

const fanOut = DBOS.registerWorkflow(
  ({ elements }: { elements: readonly number[] }) => Promise.all(elements.map((element) => addOne(element, "one"))),
  { name: "fan" },
);

const gate = createGate(isGateClosed);
const held = DBOS.registerWorkflow(
  async ({ n }: Numbered): Promise<Numbered> => {
    const first = await addOne(n, "s1");
    const second = await addOne(first.n, "s2");
    const third = await DBOS.runStep(
      async () => {
        await gate.hold();
        return { n: second.n + 1 };
      },
      { name: "s3" },
    );
    const fourth = await addOne(third.n, "s4");
    return DBOS.runStep(
      async () => {
        gate.pass();
        return { n: fourth.n + 1 };
      },
      { name: "s5" },
    );
  },
  { name: "held" },
);

await DBOS.launch();
process.once("SIGTERM", async () => {
  await DBOS.shutdown();
  process.exit();
});

answerParent({
  ready: () => true,
  run: ({ load }: { load: RunLoad }) => driveRuns(load, async (steps, n) => (await run({ steps, n })).n),
  longRun: async ({ steps }: { steps: number }) => {
    times = createStepTimes(steps);
    checkCount(await longRun({ steps }), steps);
    return times.average();
  },
  fanOut: async ({ count }: { count: number }) => {
    const beganMs = performance.now();
    const joined = await fanOut({ elements: elementsOf(count) });
    const ms = performance.now() - beganMs;
    checkJoined(joined, count);
    return ms;
  },
  beginHeld: async ({ runs }: { runs: number }) => {
    await Promise.all(elementsOf(runs).map((n) => DBOS.startWorkflow(held)({ n })));
  },
  gate: () => gate.counts(),
  ...watchProcess(),
});
