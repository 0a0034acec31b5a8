// A process that stands for the world outside: it does each effect once under its key, absorbs repeats, and writes every arrival down
// before it answers. It has nothing in common with the database, and outlives every fault of the others.
import { openSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { onStop, readSettings } from "../log/lines.ts";
import type { EffectAnswer, EffectArrival, EffectRequest } from "./ledger-lines.ts";

export interface LedgerSettings {
  /** A socket's path: reached from every network namespace of the machine. */
  readonly path: string;
  readonly file: string;
}

const settings = readSettings<LedgerSettings>();
const file = openSync(settings.file, "a");
const receipts = new Map<string, number>();
let count = 0;

function take(request: EffectRequest): EffectAnswer {
  count += 1;
  const before = receipts.get(request.key);
  const receipt = before ?? count;
  receipts.set(request.key, receipt);
  const outcome = before === undefined ? "counted" : "absorbed";
  const arrival: EffectArrival = { ...request, nr: count, atMs: Date.now(), outcome, receipt };
  writeSync(file, `${JSON.stringify(arrival)}\n`);
  return { key: request.key, receipt };
}

const server = createServer((socket) => {
  let unfinished = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop() as string;
    for (const line of lines) socket.write(`${JSON.stringify(take(JSON.parse(line) as EffectRequest))}\n`);
  });
  // Whoever was killed hangs up.
  socket.on("error", () => {});
});
server.listen(settings.path, () => writeSync(1, '["open"]\n'));
onStop(() => process.exit(0));
