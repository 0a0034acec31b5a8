// Commands that another process carries out, each durable before it is acknowledged, and its outcome before it is answered.
import { setTimeout as sleep } from "node:timers/promises";
import { startNats } from "@viable/bus-nats/testing";
import type { EventSample } from "../command/two-events.ts";
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import { countIn } from "../reactors/start-subjects.ts";
import type { CallSubject } from "./measure-calls.ts";
import { measureCalls } from "./measure-calls.ts";
import { startPart, untilOffered } from "./start-part.ts";
import { startRedis } from "./start-redis.ts";

interface DurableSubject extends CallSubject {
  /** How many are complete, by its database's word. */
  countCompleted(): Promise<number>;
}

const lookEveryMs = 100;
/** How long the last outcomes may be on their way, in milliseconds. */
const maxWaitMs = 10_000;

/** Measures two processes of ours, of BullMQ and of pg-boss, and the same events by hand in one. */
export async function measureRemoteCommands(options: BenchOptions): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startDurable());
  const [natsUrl] = stack.use(await startNats()).urls as [string];
  const redis = stack.use(await startRedis());
  const start = async (file: string, settings: object): Promise<Child> =>
    stack.use(await startChild(new URL(file, import.meta.url), settings));
  const question = { ask: "do", command: "next.do" };

  const ours = await server.createDatabase();
  const working = stack.use(await startPart({ databaseUrl: ours, natsUrl, services: ["answerer"], workers: 64 }));
  const sending = stack.use(await startPart({ databaseUrl: ours, natsUrl, services: [], workers: 64 }));
  await untilOffered(sending, "next.do", 1);
  const samples = await sending.ask<EventSample[]>({ ask: "sample", command: "next.do" });
  options.note(`swarm: a remote command writes ${samples.map(({ type }) => type).join(", ")}`);

  const byHand = await server.createDatabase();
  const limit = await start("./limit-commands.ts", { databaseUrl: byHand, samples });
  const bullmq = await start("./bullmq-part.ts", { port: redis.port, answers: true });
  const adding = await start("./bullmq-part.ts", { port: redis.port, answers: false });
  const theirs = await server.createDatabase();
  const boss = await start("./pg-boss-part.ts", { databaseUrl: theirs, natsUrl, answers: true });
  const bossSending = await start("./pg-boss-part.ts", { databaseUrl: theirs, natsUrl, answers: false });

  const last = samples.at(-1)?.type;
  const subjects: readonly DurableSubject[] = [
    {
      name: "limit",
      calling: limit,
      others: [],
      question,
      countCompleted: () => countIn(byHand, `SELECT count(*)::int AS runs FROM events WHERE type = '${last}'`),
    },
    {
      name: "viable",
      calling: sending,
      others: [working],
      question,
      // One of them was the sample.
      countCompleted: async () =>
        (await countIn(ours, `SELECT count(*)::int AS runs FROM viable.events WHERE type = '${last}'`)) - 1,
    },
    {
      name: "bullmq",
      calling: adding,
      others: [bullmq],
      question,
      countCompleted: () => adding.ask<number>({ ask: "countCompleted" }),
    },
    {
      name: "pg-boss",
      calling: bossSending,
      others: [boss],
      question,
      countCompleted: () => countIn(theirs, "SELECT count(*)::int AS runs FROM pgboss.job WHERE state = 'completed'"),
    },
  ];
  const { rows, answers } = await measureCalls(options, "remote command", subjects, [1, 64], {
    one: "command",
    many: "commands",
  });
  for (const { name, countCompleted } of subjects) {
    const answered = answers.get(name);
    let completed = await countCompleted();
    for (let waitedMs = 0; completed !== answered && waitedMs < maxWaitMs; waitedMs += lookEveryMs) {
      await sleep(lookEveryMs);
      completed = await countCompleted();
    }
    if (completed !== answered)
      throw new Error(`${name} answered ${answered} commands, and ${completed} are complete.`);
  }
  return rows;
}
