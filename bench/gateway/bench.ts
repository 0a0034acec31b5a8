// What the gateway's door costs: knowing a token, a question and a command over HTTP, and sockets that events go out to or that are idle.
import type { BenchOptions, Row } from "../harness/row.ts";
import { measureCommands } from "./commands.ts";
import { measureIdleSockets } from "./idle-sockets.ts";
import { measureQueries } from "./queries.ts";
import { measureSocketEvents } from "./socket-events.ts";
import { measureTokens } from "./tokens.ts";

const measures: { readonly [name: string]: (options: BenchOptions) => Promise<Row[]> } = {
  token: measureTokens,
  query: measureQueries,
  command: measureCommands,
  events: measureSocketEvents,
  idle: measureIdleSockets,
};

export const cases = Object.keys(measures);

export async function bench(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(measures)) {
    if (options.case === undefined || options.case === name) rows.push(...(await measure(options)));
  }
  return rows;
}
