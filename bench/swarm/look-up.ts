// Who is to get a task, among very many who offer very much.
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import type { LookUpShape } from "./look-up-load.ts";
import { offersOf } from "./look-up-load.ts";
import { toRows } from "./to-rows.ts";

const shapes: readonly LookUpShape[] = [
  { swarms: 100, capabilities: 1_000, offeredBy: 1 },
  { swarms: 1_000, capabilities: 10_000, offeredBy: 1 },
  { swarms: 1_000, capabilities: 10_000, offeredBy: 10 },
];

interface Round {
  readonly us: number;
  readonly bytesPerOffer: number;
}

/** Measures our registry's decision, with its candidates and its reason, beside Moleculer's, which has neither. */
export async function measureLookUps({ quick, note }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 2 : 5;
  const rows: Row[] = [];
  for (const shape of shapes) {
    const { swarms, capabilities, offeredBy } = shape;
    const about = `${capabilities.toLocaleString("en")} capabilities on ${swarms.toLocaleString("en")} swarms, ${offeredBy} for each`;
    await using stack = new AsyncDisposableStack();
    const start = async (file: string) =>
      stack.use(await startChild(new URL(file, import.meta.url), shape, { execArgv: ["--expose-gc"] }));
    const subjects = [
      { name: "viable", child: await start("./look-up-registry.ts") },
      { name: "moleculer", child: await start("./look-up-moleculer.ts") },
    ];
    const measured = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
    // Once before anything is measured.
    for (const { child } of subjects) await child.ask({ ask: "lookUp" });
    for (let round = 1; round <= rounds; round++) {
      for (const { name, child } of inTurn(subjects, round)) {
        note(`swarm: look-up, ${about}, round ${round} of ${rounds}, ${name}`);
        const us = await child.ask<number>({ ask: "lookUp" });
        const bytesPerOffer = ((await child.ask<number>({ ask: "heldMb" })) * 1024 * 1024) / offersOf(shape);
        measured.get(name)?.push({ us, bytesPerOffer });
      }
    }
    const lower = { higherIsBetter: false };
    rows.push(
      ...toRows(measured, { ...lower, case: `look-up, ${about}`, unit: "µs", compared: true, value: ({ us }) => us }),
      ...toRows(measured, {
        ...lower,
        case: `memory, ${about}`,
        unit: "bytes/entry",
        compared: true,
        value: ({ bytesPerOffer }) => bytesPerOffer,
      }),
    );
  }
  return rows;
}
