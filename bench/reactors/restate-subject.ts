// The subject `restate`: its server, which keeps the journals in files of its own, and its SDK's endpoint with the callers in this process.
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import type { Place } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { createStepTimes } from "./long-run.ts";
import type { Numbered } from "./numbered.ts";
import { checkCount, checkJoined, elementsOf } from "./numbered.ts";
import { startRestateServer } from "./restate-server.ts";
import type { RunLoad } from "./run-load.ts";
import { driveRuns } from "./run-load.ts";

interface RestateContext {
  run<Result>(name: string, run: () => Result): Promise<Result>;
}
type Handler = (ctx: RestateContext, input: never) => Promise<unknown>;
interface Restate {
  service(definition: { name: string; handlers: Readonly<Record<string, Handler>> }): object;
  createEndpointHandler(options: {
    services: readonly object[];
    logger: () => void;
  }): Parameters<typeof createServer>[1];
  readonly RestatePromise: { all<Result>(promises: readonly Promise<Result>[]): Promise<Result[]> };
}

const { service, createEndpointHandler, RestatePromise } = loadPeer<Restate>("@restatedev/restate-sdk");
const { stateDir } = readSettings<Place>();

let times = createStepTimes(0);
const bench = service({
  name: "bench",
  handlers: {
    run: async (ctx, { steps, n }: { steps: number; n: number }): Promise<Numbered> => {
      let last: Numbered = { n };
      for (let step = 1; step <= steps; step++) {
        const { n } = last;
        last = await ctx.run(`s${step}`, () => ({ n: n + 1 }));
      }
      return last;
    },
    long: async (ctx, { steps }: { steps: number }): Promise<number> => {
      let count = 0;
      for (const element of elementsOf(steps)) {
        await ctx.run("one", () => {
          times.begin();
          return { n: element + 1 };
        });
        count += 1;
      }
      return count;
    },
    fan: (ctx, { elements }: { elements: readonly number[] }): Promise<Numbered[]> =>
      RestatePromise.all(elements.map((element) => ctx.run("one", () => ({ n: element + 1 })))),
  },
});

const server = await startRestateServer(stateDir as string);
const endpoint = createServer(createEndpointHandler({ services: [bench], logger: () => {} }));
await once(endpoint.listen(0, "127.0.0.1"), "listening");
await server.register(`http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`);
process.once("SIGTERM", async () => {
  await server.stop();
  process.exit();
});

const { watch, use } = watchProcess();
let serverCpuMs = server.cpuMs();

answerParent({
  ready: () => true,
  run: ({ load }: { load: RunLoad }) =>
    driveRuns(load, async (steps, n) => (await server.call<Numbered>("bench", "run", { steps, n })).n),
  longRun: async ({ steps }: { steps: number }) => {
    times = createStepTimes(steps);
    checkCount(await server.call("bench", "long", { steps }), steps);
    return times.average();
  },
  fanOut: async ({ count }: { count: number }) => {
    const beganMs = performance.now();
    const joined = await server.call<Numbered[]>("bench", "fan", { elements: elementsOf(count) });
    const ms = performance.now() - beganMs;
    checkJoined(joined, count);
    return ms;
  },
  countCompleted: async () => {
    const sql =
      "SELECT count(*) AS runs FROM sys_invocation WHERE status = 'completed' AND completion_result = 'success'";
    return (await server.query<{ runs: number }>(sql))[0]?.runs ?? 0;
  },
  watch: () => {
    watch();
    serverCpuMs = server.cpuMs();
  },
  /** The engine is both processes. The server's part holds what PostgreSQL's processes do for everybody else. */
  use: (): ProcessUse => {
    const own = use();
    return { ...own, cpuMs: own.cpuMs + server.cpuMs() - serverCpuMs };
  },
});
