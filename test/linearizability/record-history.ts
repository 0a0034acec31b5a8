import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Operation } from "./check-history.ts";
import type { MemoryLine, MemoryProcessSettings, OperationLine, Planted } from "./memory-process.ts";

const keyNames = ["a", "b", "c", "d"];
/** Three processes of four lanes: 450 operations on each key. */
const processes = 3;
const lanes = 4;
const operations = 150;
/** How many lines all of them tell where nobody hinders them: of each operation that it is asked, and what is answered. */
export const allLines: number = processes * lanes * operations * 2;

/** What befalls the processes, or the server they work on, once they have told so many lines between them. */
export interface Fault {
  readonly afterLines: number;
  happen(children: readonly ChildProcess[]): void | Promise<void>;
}

export interface RecordOptions {
  readonly connectionString: string;
  readonly seed: number;
  /** Before the names of its keys, where the database has the keys of other histories. */
  readonly keyPrefix?: string;
  /** In the order in which they are to happen. */
  readonly faults?: readonly Fault[];
  readonly planted?: Planted;
}

/** Has the processes work at the same time, and answers what was done with each key. A process ends well, or was killed by a fault. */
export async function recordHistory({
  connectionString,
  seed,
  keyPrefix = "",
  faults = [],
  planted,
}: RecordOptions): Promise<ReadonlyMap<string, readonly Operation[]>> {
  const keys = keyNames.map((name) => keyPrefix + name);
  const children = Array.from({ length: processes }, (_, index) =>
    start({
      connectionString,
      name: `p${index}`,
      seed: seed * processes + index,
      lanes,
      operations,
      keys,
      ...(planted && { planted }),
    }),
  );
  const lines: OperationLine[] = [];
  const left = [...faults];
  let happened = Promise.resolve();
  let ready = 0;
  const tell = (line: MemoryLine) => {
    if ("isReady" in line) {
      ready += 1;
      if (ready === processes) for (const child of children) child.stdin.end("go");
      return;
    }
    lines.push(line);
    const [next] = left;
    if (next === undefined || lines.length < next.afterLines) return;
    left.shift();
    happened = happened.then(() => next.happen(children));
  };
  try {
    await Promise.all(children.map((child) => follow(child, tell)));
    await happened;
  } finally {
    for (const child of children) child.kill("SIGKILL");
    // A server that is on its way up is not stopped before it is there.
    await happened.catch(() => undefined);
  }
  if (left.length > 0) throw new Error(`${left.length} faults never happened: there were ${lines.length} lines.`);
  return toOperations(lines, keys);
}

type MemoryProcess = ReturnType<typeof start>;

function start(settings: MemoryProcessSettings) {
  const module = fileURLToPath(new URL("./memory-process.ts", import.meta.url));
  return spawn(process.execPath, [...process.execArgv, module, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

async function follow(child: MemoryProcess, tell: (line: MemoryLine) => void): Promise<void> {
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) tell(JSON.parse(line) as MemoryLine);
  const [code, signal] = await exited;
  if (code !== 0 && signal !== "SIGKILL") throw new Error(`A process ended by ${signal ?? `code ${code}`}.`);
}

function toOperations(lines: readonly OperationLine[], keys: readonly string[]): Map<string, Operation[]> {
  const answers = new Map(lines.flatMap((line) => ("answer" in line ? [[line.id, line]] : [])));
  const byKey = new Map(keys.map((key) => [key, [] as Operation[]]));
  for (const line of lines) {
    if ("answer" in line) continue;
    const { call, askedAt, id } = line;
    const told = answers.get(id);
    byKey.get(line.key)?.push({
      call,
      askedAt,
      ...(told !== undefined && { answer: told.answer, answeredAt: told.answeredAt }),
    });
  }
  return byKey;
}

/** The same as it would have to be if nothing expired: where that has an order too, nothing was seen to expire. */
export const withoutExpiry = (operations: readonly Operation[]): Operation[] =>
  operations.map(({ call, answer, ...operation }) => ({
    ...operation,
    call: call.kind === "set" ? withoutMember(call, "expiresInMs") : call,
    ...(answer !== undefined && { answer: answer.kind === "found" ? withoutMember(answer, "expiresAt") : answer }),
  }));

function withoutMember<T extends object, K extends keyof T>(of: T, member: K): Omit<T, K> {
  const { [member]: _, ...rest } = of;
  return rest;
}
