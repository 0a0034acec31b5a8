// A process that stands for the world outside: it does what steps ask of it, once under each key, and writes down every call in a file
// before it answers. It has nothing in common with the database that the runs are in, and outlives every kill of the others.
import { existsSync, fdatasync, openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { onStop, readSettings } from "../log/lines.ts";
import type { SinkDefect } from "./sink-book.ts";
import { SinkBook } from "./sink-book.ts";
import type { SinkAnswer, SinkCall, SinkRequest } from "./sink-lines.ts";

export interface SinkSettings {
  /** A socket's path. */
  readonly path: string;
  readonly file: string;
  readonly defect?: SinkDefect;
}

const settings = readSettings<SinkSettings>();
const book = new SinkBook(settings.defect);
if (existsSync(settings.file))
  for (const line of readFileSync(settings.file, "utf8").split("\n").filter(Boolean))
    book.take(JSON.parse(line) as SinkCall);
const file = openSync(settings.file, "a");
const toDisk = promisify(fdatasync);

type Answer = (answer: SinkAnswer) => void;
let waiting: (readonly [SinkRequest, Answer])[] = [];
let isWriting = false;

const server = createServer((socket) => {
  let unfinished = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop() as string;
    for (const line of lines) {
      waiting.push([
        JSON.parse(line) as SinkRequest,
        (answer) => {
          if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
        },
      ]);
    }
    if (!isWriting) void write();
  });
  // Whoever was killed hangs up.
  socket.on("error", () => {});
});
server.listen(settings.path, () => writeSync(1, '["open"]\n'));
onStop(() => process.exit(0));

/** What comes while the disk is waited for is written together. */
async function write(): Promise<void> {
  isWriting = true;
  while (waiting.length > 0) {
    const batch = waiting;
    waiting = [];
    const decided = batch.map(([{ nr, ...request }, answer]) => {
      const call: SinkCall = { ...request, outcome: book.decide(request) };
      return { nr, call, answer };
    });
    writeSync(file, decided.map(({ call }) => `${JSON.stringify(call)}\n`).join(""));
    await toDisk(file);
    for (const { nr, call, answer } of decided) answer({ nr, outcome: call.outcome });
  }
  isWriting = false;
}
