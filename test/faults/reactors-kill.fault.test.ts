/**
 * Runs of transfers between accounts, whose steps fail at random, under faults round after round on one database: `kill -9` of either of
 * two worker processes or of both, PostgreSQL killed or restarted, and a worker stopped for longer than its lease and let go on, by then
 * held for gone. Money is moved in a process outside that knows nothing of our database. Every run that was acknowledged ends as what it
 * met says, none is lost; what it did outside is there once or wholly undone; each step has one outcome; what is written is written by
 * whoever has the claim; nothing is done before what it depends on is durable. Short form 6 rounds, full form 200
 * (`npm run test:faults -- reactors-kill --full`).
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Random } from "@viable/kernel";
import { seededRandom } from "@viable/kernel";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import type { Target } from "./log/open-target.ts";
import { isFull, keepResult, sayReplay, seed } from "./log/result-file.ts";
import type { ServerDeath } from "./log/server-process.ts";
import { ServerProcess } from "./log/server-process.ts";
import { BankTraffic } from "./reactors/bank-traffic.ts";
import type { Violation } from "./reactors/check-runs.ts";
import { judgeRuns, judgeStill } from "./reactors/check-runs.ts";
import type { Met } from "./reactors/count-faults.ts";
import { countEndings, countFaults } from "./reactors/count-faults.ts";
import { describeRun } from "./reactors/describe-run.ts";
import { followRuns } from "./reactors/follow-runs.ts";
import { OrderDesk } from "./reactors/order-desk.ts";
import { RunReader } from "./reactors/read-runs.ts";
import type { WorkerSettings } from "./reactors/saga-worker.ts";
import type { SinkDefect } from "./reactors/sink-book.ts";
import type { SinkCall } from "./reactors/sink-lines.ts";
import type { Life } from "./reactors/worker-lines.ts";
import type { Worker } from "./reactors/worker-process.ts";
import { nothingTold, startSink, WorkerPool } from "./reactors/worker-process.ts";

const rounds = isFull ? 200 : 6;
/** Short, so that who is dead or stopped is found out within a round. */
const leaseMs = 1_500;
/** A round lasts until so many transfers have ended after what happened in it. */
const minEndings = 20;
/** How long what has stopped may take to go on, in milliseconds: a lease, a look at what nobody has, and a server that comes back. */
const maxStuckMs = 60_000;
/** How long the load goes on before something happens, at most, in milliseconds. */
const maxLoadMs = 700;

type Fault = "worker" | "pause" | "server" | "both workers" | "pause, and the other worker" | "server and worker";
const faults: readonly Fault[] = [
  "worker",
  "pause",
  "server",
  "both workers",
  "pause, and the other worker",
  "server and worker",
];

/** Two workers, the world outside, and customers, on one database; and what is done to them. */
class Bank implements AsyncDisposable {
  readonly told = nothingTold();
  readonly killed = new Set<Life>();
  readonly paused = new Set<Life>();
  readonly traffic: BankTraffic;
  readonly desk: OrderDesk;
  readonly #pool: WorkerPool;
  readonly #workers: Worker[] = [];
  #life = 0;
  readonly #ticking: NodeJS.Timeout;

  constructor(settings: WorkerSettings, random: Random) {
    this.desk = new OrderDesk(random);
    this.#pool = new WorkerPool(settings, 2, this.told, this.desk);
    this.traffic = new BankTraffic({ random, desk: this.desk, perSecond: 60, maxOpen: 100 });
    this.#ticking = globalThis.setInterval(() => {
      this.traffic.tick(Date.now());
      this.desk.tick(Date.now());
    }, 10);
  }

  worker(slot: number): Worker {
    return this.#workers[slot] as Worker;
  }

  async start(...slots: readonly number[]): Promise<void> {
    await Promise.all(
      slots.map(async (slot) => {
        this.#workers[slot] = await this.#pool.start(`w${slot}.${++this.#life}`);
      }),
    );
    this.desk.setWorkers(this.#workers.filter((worker) => worker !== undefined));
  }

  async kill(...slots: readonly number[]): Promise<void> {
    await Promise.all(slots.map((slot) => this.worker(slot).kill()));
    for (const slot of slots) for (const life of this.worker(slot).lives) this.killed.add(life);
  }

  /** Stops a worker for a while, and lets it go on. */
  async pause(slot: number, ms: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    const worker = this.worker(slot);
    worker.pause();
    const life = worker.lives.at(-1);
    if (life !== undefined) this.paused.add(life);
    await setTimeout(ms);
    await meanwhile();
    worker.resume();
  }

  /** Waits until something holds; says what is under way where it takes too long. */
  async until(holds: () => boolean, what: string): Promise<void> {
    for (const giveUpAt = Date.now() + maxStuckMs; !holds(); await setTimeout(10)) {
      if (Date.now() > giveUpAt) throw new Error(`${what}: ${this.traffic.describe()}; ${this.told.complaints}`);
    }
  }

  async goesOn(): Promise<void> {
    const { endings } = this.traffic;
    await this.until(() => this.traffic.endings >= endings + minEndings, "Too few transfers end");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    globalThis.clearInterval(this.#ticking);
    for (const worker of this.#workers) if (worker.state !== "ended") await worker.kill();
    await this.#pool[Symbol.asyncDispose]();
  }
}

/** No worker is at the database any more: what a killed process had sent last has been done or dropped. */
async function quiet(server: PostgresServer): Promise<void> {
  await expect
    .poll(
      async () => {
        const sql = "SELECT count(*) AS connections FROM pg_stat_activity WHERE application_name = 'viable'";
        const [row] = await server.query(sql).catch(() => [{ connections: -1 }]);
        return Number(row?.connections);
      },
      { timeout: 30_000, interval: 10 },
    )
    .toBe(0);
}

/** What the sink has written down so far. The last line may be on its way. */
function readCalls(file: string): SinkCall[] {
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as SinkCall);
}

const some = (violations: readonly Violation[]): readonly string[] =>
  violations.slice(0, 20).map(({ kind, text }) => `${kind}: ${text}`);

/** Which kinds of fault have not left their mark: without it nothing was shown. Whether a round leaves one is chance. */
function missingMarks(met: Met): readonly string[] {
  const marks: [what: string, times: number, atLeast: number][] = [
    ["a run is taken over", met.takeovers, rounds + 1],
    ["a process is killed during a step", met.killsDuringSteps, rounds / 3],
    ["a process that was stopped had lost a run", met.zombies, rounds / 6],
    ["somebody comes too late, and is refused or changes nothing", met.lateCalls + met.refusedAppends, rounds / 6 + 1],
  ];
  return marks.filter(([, times, atLeast]) => times < atLeast).map(([what, times]) => `${what}: ${times} times`);
}

interface Story {
  readonly rounds: number;
  /** As many rounds at most, where after `rounds` a kind of fault has not left its mark. */
  readonly maxRounds: number;
  readonly faults: readonly Fault[];
  readonly plant?: "no fence" | SinkDefect | undefined;
}

/** Lets it all happen, and answers what is wrong and what was met. */
async function tell({ rounds, maxRounds, faults, plant }: Story) {
  const random = seededRandom(seed);
  const directory = await mkdtemp(join(tmpdir(), "viable-reactors-"));
  const sink = {
    path: join(directory, "sink.socket"),
    file: join(directory, "calls"),
    ...(plant !== undefined && plant !== "no fence" && { defect: plant }),
  };
  try {
    await using server = await startPostgres({ own: true, fsync: true });
    await using postgres = await ServerProcess.of(server);
    await using _sink = await startSink(sink);
    const { connectionString } = server;
    // By another name than the workers, whose connections are waited for to be gone.
    const onlooker = `${connectionString}?application_name=onlooker`;
    const target: Target = { kind: "postgres", connectionString: onlooker };
    await using bank = new Bank(
      {
        connectionString,
        sinkPath: sink.path,
        leaseMs,
        maxWorkMs: 15,
        isHeld: false,
        isUnfenced: plant === "no fence",
      },
      seededRandom(seed + 1),
    );
    await bank.start(0, 1);
    await using follower = await followRuns(onlooker, (event) => bank.traffic.take(event));
    const reader = new RunReader();
    const violations: Violation[] = [];
    const roundsByFault: Record<string, number> = {};
    const killServer = async () => {
      const how: ServerDeath = random.next() < 0.7 ? "immediate" : "kill";
      await postgres.die(how, undefined);
    };
    const met = () => countFaults(reader.runs, readCalls(sink.file), bank.told, bank.killed, bank.paused);
    let round = 0;
    const goesOn = async () => {
      if (round < rounds || round >= maxRounds) return round < rounds;
      await reader.read(target);
      return missingMarks(met()).length > 0;
    };
    await bank.goesOn();
    for (; await goesOn(); round++) {
      const fault = faults[round % faults.length] as Fault;
      const slot = random.next() < 0.5 ? 0 : 1;
      const pauseMs = leaseMs * (1.4 + random.next() * 1.2);
      await setTimeout(random.next() * maxLoadMs);
      switch (fault) {
        case "worker":
          await bank.kill(slot);
          await setTimeout(random.next() * 500);
          await bank.start(slot);
          break;
        case "pause":
          await bank.pause(slot, pauseMs);
          break;
        case "server":
          await killServer();
          await postgres.restart();
          break;
        case "both workers":
          await bank.kill(0, 1);
          await quiet(server);
          await reader.read(target);
          violations.push(...judgeStill(reader.runs, readCalls(sink.file)));
          await bank.start(0, 1);
          break;
        case "pause, and the other worker":
          await bank.pause(slot, pauseMs, () => bank.kill(1 - slot));
          await bank.start(1 - slot);
          break;
        case "server and worker":
          await Promise.all([killServer(), bank.kill(slot)]);
          await postgres.restart();
          await bank.start(slot);
      }
      roundsByFault[fault] = (roundsByFault[fault] ?? 0) + 1;
      await bank.goesOn();
      if (plant === undefined && violations.length + bank.told.complaints.length > 0) break;
    }
    bank.traffic.close();
    // With a defect that was planted, nothing need come to an end.
    if (plant !== undefined) await bank.kill(0, 1);
    while (plant === undefined) {
      await bank.until(() => bank.traffic.isAtRest, "Not all that was begun ends");
      await follower.caughtUp();
      if (bank.traffic.isAtRest) break;
    }
    if (plant === undefined) await Promise.all([bank.worker(0).stop(), bank.worker(1).stop()]);
    await reader.read(target);
    const calls = readCalls(sink.file);
    violations.push(...judgeRuns(reader.runs, bank.traffic.acknowledged, calls, bank.told));
    for (const [stream, times] of reader.sent)
      if (times > 1) violations.push({ kind: "doubled", text: `${stream} was sent ${times} times` });
    const concerned = plant === undefined ? violations : [];
    for (const runId of new Set(concerned.flatMap(({ text }) => text.match(/run_[0-9a-z]{26}/) ?? []).slice(0, 5)))
      console.log(describeRun(runId, reader.runs, calls, bank.told));
    const [version] = await server.query("SHOW server_version");
    return {
      violations,
      complaints: bank.told.complaints,
      store: `PostgreSQL ${version?.server_version}, fsync on`,
      rounds: round,
      roundsByFault,
      acknowledged: bank.traffic.acknowledged.begun.length,
      acknowledgedOrders: bank.traffic.acknowledged.orders.length,
      repeatedBegins: bank.traffic.repeatedBegins,
      transfers: countEndings(reader.runs, "transfer"),
      exchanges: countEndings(reader.runs, "exchange"),
      met: met(),
      events: reader.events,
      serverRecoveries: postgres.recoveries,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const count = (violations: readonly Violation[], kind: Violation["kind"]): number =>
  violations.filter((violation) => violation.kind === kind).length;

test(`${rounds} rounds of kills, pauses and restarts`, { timeout: 120_000 + rounds * 60_000 }, async () => {
  sayReplay("reactors-kill");
  const { violations, complaints, met, ...story } = await tell({ rounds, maxRounds: rounds * 3, faults });
  keepResult("reactors-kill", {
    ...story,
    lost: count(violations, "lost"),
    doubled: count(violations, "doubled"),
    half: count(violations, "half"),
    ...met,
  });
  expect(complaints).toEqual([]);
  expect(some(violations)).toEqual([]);
  expect(missingMarks(met)).toEqual([]);
  expect(story.transfers.compensated).toBeGreaterThan(rounds);
  expect(story.transfers.cancelled, "nothing was cancelled").toBeGreaterThan(0);
  expect(story.transfers.undoneLater, "nothing that had completed was undone").toBeGreaterThan(0);
  expect(story.acknowledgedOrders, "no order was acknowledged").toBeGreaterThan(0);
  const { compensated = 0, failed = 0 } = story.exchanges;
  expect(compensated + failed, "no exchange failed").toBeGreaterThan(0);
  if (isFull) expect(story.repeatedBegins, "no beginning was asked for twice").toBeGreaterThan(0);
  if (isFull) expect(met.fencedCalls, "nobody came back too late for what must not be done twice").toBeGreaterThan(0);
  if (isFull) expect(met.reviews, "no person was ever asked").toBeGreaterThan(0);
  expect(story.serverRecoveries).toBe(
    (story.roundsByFault.server ?? 0) + (story.roundsByFault["server and worker"] ?? 0),
  );
});

const planted: { plant: Story["plant"]; faults: Fault[]; kind: Violation["kind"] }[] = [
  { plant: "no fence", faults: ["pause"], kind: "fence" },
  { plant: "no keys", faults: ["worker", "pause"], kind: "doubled" },
  { plant: "no effects", faults: ["worker"], kind: "half" },
];
/** One try is mostly enough. */
const maxTries = 6;
test.each(planted)(
  "with a defect planted ($plant) the same checks fail",
  {
    timeout: 300_000,
  },
  async ({ plant, faults, kind }) => {
    // Whether a fault meets the defect is chance: a worker must be stopped with something on its way.
    let found = 0;
    for (let tries = 0; tries < maxTries && found === 0; tries++) {
      const { violations } = await tell({ rounds: 2, maxRounds: 2, faults, plant });
      found = count(violations, kind);
    }
    expect(found).toBeGreaterThan(0);
  },
);
