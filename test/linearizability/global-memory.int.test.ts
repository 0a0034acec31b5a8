// The memory that all processes share, on one PostgreSQL: whatever several do at the same time is as if each operation happened at one
// moment between its question and its answer. The same with a mistake planted, which must be found, or this suite would be blind to it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import type { Operation } from "./check-history.ts";
import { checkHistory } from "./check-history.ts";
import type { MemoryLine, MemoryProcessSettings, Planted } from "./memory-process.ts";

const keys = ["a", "b", "c", "d"];
/** Three processes of four lanes: 450 operations on each key. */
const processes = 3;
const lanes = 4;
const operations = 150;

/** Has the processes work, one of them killed after so many lines where told, and answers what was done with each key. */
async function record(
  connectionString: string,
  { killAfter, planted }: { readonly killAfter?: number; readonly planted?: Planted } = {},
): Promise<ReadonlyMap<string, readonly Operation[]>> {
  const lines = await Promise.all(
    Array.from({ length: processes }, (_, index) =>
      run(
        { connectionString, name: `p${index}`, seed: index + 1, lanes, operations, keys, ...(planted && { planted }) },
        index === 0 ? killAfter : undefined,
      ),
    ),
  );
  return toOperations(lines.flat());
}

async function run(settings: MemoryProcessSettings, killAfter = Number.POSITIVE_INFINITY): Promise<MemoryLine[]> {
  const module = fileURLToPath(new URL("./memory-process.ts", import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, module, JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines: MemoryLine[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(JSON.parse(line) as MemoryLine);
    if (lines.length === killAfter) child.kill("SIGKILL");
  }
  expect(await exited).toEqual(Number.isFinite(killAfter) ? [null, "SIGKILL"] : [0, null]);
  return lines;
}

function toOperations(lines: readonly MemoryLine[]): Map<string, Operation[]> {
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

test("what three processes do with it at the same time, one of them killed meanwhile, is linearizable", {
  timeout: 120_000,
}, async () => {
  await using server = await startPostgres();
  const history = await record(await server.createDatabase(), { killAfter: 600 });
  for (const [key, done] of history) expect(checkHistory(done), `key ${key}`).toBeUndefined();
  const all = [...history.values()].flat();
  const kinds = new Set(all.map(({ answer }) => answer?.kind));
  expect(kinds).toEqual(new Set(["found", "absent", "written", "conflict", "deleted", undefined]));
  for (const done of history.values()) expect(done.length).toBeGreaterThan(300);
});

test.each<Planted>(["stale reads", "unchecked writes"])("the suite sees %s", { timeout: 120_000 }, async (planted) => {
  await using server = await startPostgres();
  const history = await record(await server.createDatabase(), { planted });
  expect([...history.values()].map(checkHistory).filter((wrong) => wrong !== undefined)).not.toEqual([]);
});
