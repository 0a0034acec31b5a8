// How long a task takes to be coordinated, at half of the load that can be carried: inside a swarm, and handed on to another one in the same
// process or in another. The agents do nothing, so all there is is what the system adds.
import { startNats } from "@viable/bus-nats/testing";
import type { EventSample } from "../command/two-events.ts";
import { startChild } from "../harness/child.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { CallsDriven } from "./call-load.ts";
import type { RateDriven } from "./rate-load.ts";
import { startPart, untilOffered } from "./start-part.ts";
import { toRows } from "./to-rows.ts";

type Round = RateDriven & { readonly fullPerSecond: number };

/**
 * In each round first as much as it can carry, then half of that at a steady rate, whatever became of the ones before; and the events that it
 * writes for each, by hand, at the same rate: what the disk alone takes.
 */
export async function measureCoordination({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick ? { rounds: 2, fullMs: 1_000, halfMs: 2_000 } : { rounds: 5, fullMs: 3_000, halfMs: 5_000 };
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startDurable());
  const [natsUrl] = stack.use(await startNats()).urls;
  const workers = 64;
  const together = stack.use(
    await startPart({ databaseUrl: await server.createDatabase(), workers, services: ["answerer", "asker"] }),
  );
  const databaseUrl = await server.createDatabase();
  stack.use(await startPart({ databaseUrl, natsUrl, workers, services: ["answerer"] }));
  const apart = stack.use(await startPart({ databaseUrl, natsUrl, workers, services: ["asker"] }));
  await untilOffered(apart, "next.do", 1);
  const ways = [
    { name: "within a swarm", child: together, command: "next.do", value: ({ p99Ms }: Round) => p99Ms },
    { name: "delegated in one process", child: together, command: "next.delegate", value: waitedP99 },
    { name: "delegated to another process", child: apart, command: "next.delegate", value: waitedP99 },
  ];
  const rows: Row[] = [];
  for (const { name, child, command, value } of ways) {
    const rounds: Round[] = [];
    const byHand: Round[] = [];
    // What is delegated is such a task, too.
    const samples = await child.ask<EventSample[]>({ ask: "sample", command: "next.do" });
    await using limit = await startChild(new URL("./limit-commands.ts", import.meta.url), {
      databaseUrl: await server.createDatabase(),
      samples,
    });
    for (let round = 1; round <= plan.rounds; round++) {
      note(`swarm: ${name}, round ${round} of ${plan.rounds}`);
      const full = { concurrent: 64, warmUpMs: 500, measuredMs: plan.fullMs };
      const { perSecond: fullPerSecond } = await child.ask<CallsDriven>({ ask: "measureFull", command, load: full });
      const half = { perSecond: fullPerSecond / 2, warmUpMs: 500, measuredMs: plan.halfMs };
      const driven = await child.ask<RateDriven>({ ask: "doAtRate", command, load: half });
      rounds.push({ ...driven, fullPerSecond });
      byHand.push({ ...(await limit.ask<RateDriven>({ ask: "doAtRate", load: half })), fullPerSecond });
    }
    const p99Of = (round: Round) => (byHand.includes(round) ? round.p99Ms : value(round));
    rows.push(
      ...toRows(
        new Map([
          ["limit", byHand],
          ["viable", rounds],
        ]),
        {
          case: `${name}, half load, p99`,
          unit: "ms",
          higherIsBetter: false,
          compared: true,
          value: p99Of,
        },
      ),
      ...toRows(new Map([["viable", rounds]]), {
        case: `${name}, as much as it can carry`,
        unit: "tasks/s",
        higherIsBetter: true,
        compared: false,
        value: (each) => each.fullPerSecond,
      }),
    );
  }
  return rows;
}

/** From asking to having the outcome, as the agent that asked has it. */
const waitedP99 = ({ waitedP99Ms }: Round): number => {
  if (waitedP99Ms === undefined) throw new Error("Nobody said how long they waited.");
  return waitedP99Ms;
};
