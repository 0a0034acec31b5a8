import type { Random } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import { nothingAcknowledged } from "./check-runs.ts";
import type { OrderDesk } from "./order-desk.ts";
import type { TransferInput } from "./transfer.ts";
import { feeTries } from "./transfer.ts";

/** Accounts that money is moved between. */
const accounts = 20;
const startedType = "run.started";
const endings: readonly string[] = ["run.completed", "run.failed", "run.compensated", "run.cancelled"];

interface TrafficSettings {
  readonly random: Random;
  readonly desk: OrderDesk;
  /** How many transfers are begun in a second, and how many are open at most. */
  readonly perSecond: number;
  readonly maxOpen: number;
}

/** Customers: they begin transfers, send what some of them wait for, cancel some, want some back, and answer where a person is asked. */
export class BankTraffic {
  readonly #settings: TrafficSettings;
  readonly #later: { readonly dueMs: number; readonly act: () => void }[] = [];
  readonly acknowledged = nothingAcknowledged();
  /** Transfers that the log has and that have no ending, and how many have had one. */
  readonly open = new Set<string>();
  /** Keys of what somebody was told to begin and nobody has answered. */
  readonly #unanswered = new Set<string>();
  /** Composed runs without an ending. */
  readonly openInner = new Set<string>();
  endings = 0;
  repeatedBegins = 0;
  #nr = 0;
  #nextMs = 0;
  #isOver = false;

  constructor(settings: TrafficSettings) {
    this.#settings = settings;
  }

  /** Nothing more is begun or wanted back; what was begun goes on to its end. */
  close(): void {
    this.#isOver = true;
  }

  /** Whether all that was begun has ended, as far as the log has told. */
  get isAtRest(): boolean {
    return (
      this.#unanswered.size + this.open.size + this.openInner.size + this.#later.length + this.#settings.desk.open === 0
    );
  }

  /** What is under way, for people. */
  describe(): string {
    const some = [...this.open, ...this.openInner].slice(0, 5).join(", ");
    return `${this.#unanswered.size} unanswered, ${this.open.size} transfers and ${this.openInner.size} exchanges open (${some}), ${this.#later.length} plans, ${this.#settings.desk.open} orders`;
  }

  tick(nowMs: number): void {
    for (let index = this.#later.length - 1; index >= 0; index--) {
      const plan = this.#later[index];
      if (plan === undefined || plan.dueMs > nowMs) continue;
      this.#later.splice(index, 1);
      plan.act();
    }
    if (this.#isOver) return;
    this.#nextMs = Math.max(this.#nextMs, nowMs - 1_000);
    for (; this.#nextMs <= nowMs; this.#nextMs += 1_000 / this.#settings.perSecond) {
      if (this.#unanswered.size + this.open.size < this.#settings.maxOpen) this.#begin();
    }
  }

  #begin(): void {
    const { random, desk } = this.#settings;
    const key = `transfer-${++this.#nr}`;
    const input = drawTransfer(random, key);
    const sendsEarly = random.next() < 0.3;
    const sendAfterMs = random.next() * 1_500;
    const cancelAfterMs = random.next() < 0.04 ? random.next() * 400 : undefined;
    const send = () => void desk.give({ what: "send", key });
    if (input.awaits !== "" && sendsEarly) send();
    this.#unanswered.add(key);
    void desk.give({ what: "begin", key, input }).then(({ runId, repeated }) => {
      this.#unanswered.delete(key);
      if (runId === undefined) return;
      this.acknowledged.begun.push({ key, input, runId });
      if (repeated) this.repeatedBegins += 1;
      const answeredMs = Date.now();
      if (input.awaits !== "" && !sendsEarly) this.#later.push({ dueMs: answeredMs + sendAfterMs, act: send });
      if (cancelAfterMs !== undefined)
        this.#later.push({
          dueMs: answeredMs + cancelAfterMs,
          act: () => this.#order("cancel", runId),
        });
    });
  }

  /** An event of a run, as the log brings it. */
  take({ type, data, stream }: StoredEvent): void {
    const runId = stream.slice("run:".length);
    const { random } = this.#settings;
    if (type === startedType) {
      (data.reactor === "transfer" ? this.open : this.openInner).add(runId);
    } else if (endings.includes(type)) {
      if (this.open.delete(runId)) {
        this.endings += 1;
        if (type === "run.completed" && !this.#isOver && random.next() < 0.04)
          this.#later.push({
            dueMs: Date.now() + random.next() * 2_000,
            act: () => this.#order("undo", runId),
          });
      } else this.openInner.delete(runId);
    } else if (type === "run.undo_requested") {
      (data.reactor === "transfer" ? this.open : this.openInner).add(runId);
    } else if (type === "run.needs_review") this.#order("review", runId);
  }

  /** Whoever is told that an order is done may rely on it. */
  #order(what: "cancel" | "undo" | "review", runId: string): void {
    void this.#settings.desk.give({ what, runId }).then(({ ok }) => {
      if (ok) this.acknowledged.orders.push({ what, runId });
    });
  }
}

/** What a transfer will meet. */
function drawTransfer(random: Random, key: string): TransferInput {
  const pick = (count: number): number => Math.floor(random.next() * count);
  const amount = 100 + pick(900);
  const fee = 1 + pick(9);
  const feeLot = random.next();
  const waitLot = random.next();
  return {
    from: `account-${pick(accounts)}`,
    to: `account-${pick(accounts)}`,
    amount,
    fee,
    net: amount - fee,
    isRefused: random.next() < 0.04,
    feeFailures: feeLot < 0.6 ? 0 : feeLot < 0.88 ? 1 + pick(feeTries - 1) : feeTries + pick(2),
    rate: random.next() < 0.3 ? 3 : 0,
    isOnce: random.next() < 0.3,
    restMs: waitLot < 0.2 ? 50 + pick(2_500) : 0,
    awaits: waitLot > 0.8 ? key : "",
    notifyFails: random.next() < 0.1,
  };
}
