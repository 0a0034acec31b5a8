// What swarms ask each other and have each other do: in one process and over NATS, with and without a record, spread over processes. Beside
// us Moleculer, BullMQ and pg-boss, and the limit, which does the same by hand.
import type { BenchOptions, Row } from "../harness/row.ts";
import { measureCoordination } from "./coordination.ts";
import { measureIdleAgents } from "./idle-agents.ts";
import { measureLocalQueries } from "./local-queries.ts";
import { measureLookUps } from "./look-up.ts";
import { measureRemoteCommands } from "./remote-commands.ts";
import { measureRemoteQueries } from "./remote-queries.ts";
import { measureUnevenWorkers } from "./uneven-workers.ts";
import { measureWorkerProcesses } from "./worker-processes.ts";

const measures: { readonly [name: string]: (options: BenchOptions) => Promise<Row[]> } = {
  "remote-query": measureRemoteQueries,
  "remote-command": measureRemoteCommands,
  "local-query": measureLocalQueries,
  "look-up": measureLookUps,
  "uneven-workers": measureUnevenWorkers,
  coordination: measureCoordination,
  "idle-agents": measureIdleAgents,
  "worker-processes": measureWorkerProcesses,
};

/** Each child adds one that ends it with us, and some cases have a dozen. */
process.setMaxListeners(64);

export const cases = Object.keys(measures);

/** One case after the other, each with servers of its own. */
export async function bench(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(measures)) {
    if (options.case === undefined || options.case === name) rows.push(...(await measure(options)));
  }
  return rows;
}
