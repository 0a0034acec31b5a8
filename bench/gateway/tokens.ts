// What it takes to know whose a token is and what it allows: seen for the first time, and again.
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { toRows } from "./to-rows.ts";
import type { TokenLoad, TokenRound } from "./token-load.ts";

/** Measures our capabilities beside signed tokens by jose; a million checks over all rounds. */
export async function measureTokens({ quick, note }: BenchOptions): Promise<Row[]> {
  const rounds = quick ? 2 : 5;
  const load: TokenLoad = { firsts: quick ? 1_000 : 5_000, repeats: quick ? 20_000 : 200_000 };
  await using stack = new AsyncDisposableStack();
  const start = async (file: string) =>
    stack.use(await startChild(new URL(file, import.meta.url), {}, { execArgv: ["--expose-gc"] }));
  const subjects = [
    { name: "viable", child: await start("./viable-tokens.ts") },
    { name: "jose", child: await start("./jose-tokens.ts") },
  ];
  const measured = new Map(subjects.map(({ name }) => [name, [] as TokenRound[]]));
  // Once before anything is measured.
  for (const { child } of subjects) await child.ask({ ask: "round", load: { firsts: 500, repeats: 2_000 } });
  for (let round = 1; round <= rounds; round++) {
    for (const { name, child } of inTurn(subjects, round)) {
      note(`gateway: token, round ${round} of ${rounds}, ${name}`);
      measured.get(name)?.push(await child.ask<TokenRound>({ ask: "round", load }));
    }
  }
  const lower = { higherIsBetter: false };
  return [
    ...toRows(measured, { ...lower, case: "token, first", unit: "µs", compared: true, value: (each) => each.firstUs }),
    ...toRows(measured, { ...lower, case: "token, again", unit: "µs", compared: true, value: (each) => each.repeatUs }),
    ...toRows(measured, {
      ...lower,
      case: `token, live heap after ${load.repeats.toLocaleString("en")} more`,
      unit: "MB",
      compared: false,
      value: (each) => each.grewMb,
    }),
  ];
}
