import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "@viable/client";
import { GatewayProblem } from "@viable/client";
import type { JsonValue, Random } from "@viable/kernel";
import { codeOf } from "@viable/kernel";
import { isOutcome } from "@viable/protocol";
import type { ToldCommand, Wish } from "./check-accounting.ts";
import { sleepingServices, thirteen } from "./thirteen/thirteen.ts";
import type { WorkResult } from "./thirteen/work.ts";

/** How long one request may go unanswered before it is sent again, in milliseconds: longer than a lease, shorter than a partition. */
const requestMs = 20_000;
/** How long a client goes on asking, in milliseconds: longer than any fault. */
const maxAskMs = 150_000;
/** Between two tries, at most, in milliseconds. */
const againMs = 200;
/** How often a client that did not wait looks how its command stands, in milliseconds. */
const lookMs = 1_000;

export interface LoadSettings {
  readonly client: Client;
  readonly random: Random;
  /** Commands begun each second, whatever became of the others … */
  readonly perSecond: number;
  /** … as long as no more than so many are without an outcome. */
  readonly maxOpen: number;
}

/** A command from its sending on. Times are of this process's monotonic clock. */
interface Sent extends ToldCommand {
  acknowledged: string[];
  status?: string;
  result?: unknown;
  cancelAcknowledged?: boolean;
  readonly sentAtMs: number;
  settledAtMs?: number;
}

/**
 * Clients that send commands at a steady rate, each under a key of its own and again until it is answered. Some wait for the outcome, others
 * look for it; some commands are to fail, are cancelled or given too little time; some are sent twice. Everything they are answered is kept.
 */
export class Load {
  readonly sent: Sent[] = [];
  /** When any command was acknowledged, and when one that had completed was answered so. */
  readonly acknowledgedAtMs: number[] = [];
  readonly completedAtMs: number[] = [];
  /** What nobody should be answered. */
  readonly complaints: string[] = [];
  /** Why tries were in vain, by code: they are made again. */
  readonly vain: Record<string, number> = {};
  readonly #settings: LoadSettings;
  #sessionId = "";
  #open = 0;
  #credit = 0;
  #lastMs = performance.now();
  #ticking: NodeJS.Timeout | undefined;

  constructor(settings: LoadSettings) {
    this.#settings = settings;
  }

  async start(): Promise<void> {
    const { sessionId } = await this.#settings.client.openSession({ clientType: "api" });
    this.#sessionId = sessionId;
    this.#lastMs = performance.now();
    this.#ticking = setInterval(() => this.#tick(), 20);
  }

  /** Begins no more; what is under way goes on. */
  stop(): void {
    clearInterval(this.#ticking);
  }

  get open(): number {
    return this.#open;
  }

  /** How many commands, sent since a moment, a process of this machine was answered to have completed. */
  completedBy(pid: number, sinceMs: number): number {
    return this.sent.filter(
      ({ sentAtMs, result }) => sentAtMs >= sinceMs && (result as WorkResult | undefined)?.pid === pid,
    ).length;
  }

  /** Whether all that was sent before a moment has been answered with an outcome. */
  isSettledBefore(atMs: number): boolean {
    return this.sent.every(({ sentAtMs, settledAtMs }) => sentAtMs >= atMs || settledAtMs !== undefined);
  }

  /** How long commands that were under way between two moments took to an outcome, in milliseconds, the longest first. */
  tookMs(fromMs: number, toMs: number): { readonly executionId: string | undefined; readonly ms: number }[] {
    return this.sent
      .flatMap(({ sentAtMs, settledAtMs, acknowledged }) =>
        sentAtMs > toMs || settledAtMs === undefined || settledAtMs < fromMs
          ? []
          : [{ executionId: acknowledged[0], ms: settledAtMs - sentAtMs }],
      )
      .sort((a, b) => b.ms - a.ms);
  }

  #tick(): void {
    const { perSecond, maxOpen } = this.#settings;
    const now = performance.now();
    // A second's worth at most: after a pause of this process there is no burst.
    this.#credit = Math.min(perSecond, this.#credit + ((now - this.#lastMs) * perSecond) / 1_000);
    this.#lastMs = now;
    for (; this.#credit >= 1; this.#credit -= 1) if (this.#open < maxOpen) void this.#command();
  }

  async #command(): Promise<void> {
    const { random } = this.#settings;
    const one = <T>(of: readonly T[]): T => of[Math.floor(random.next() * of.length)] as T;
    const draw = random.next();
    const wish: Wish = draw < 0.91 ? "complete" : draw < 0.94 ? "fail" : draw < 0.97 ? "cancel" : "time out";
    // Whoever is to be cancelled or to run out of time must take some.
    const service = wish === "complete" || wish === "fail" ? one(thirteen) : one(sleepingServices);
    const sleepMs = wish === "cancel" || wish === "time out" ? 3_000 : Math.floor(random.next() ** 3 * 3_000);
    const ask = Array.from({ length: random.next() < 0.25 ? 1 + Math.floor(random.next() * 2) : 0 }, () =>
      one(thirteen),
    );
    const args: Record<string, JsonValue> = { sleepMs, fails: wish === "fail", ask: wish === "complete" ? ask : [] };
    const sent: Sent = {
      key: `k${this.sent.length + 1}`,
      command: `${service}.work`,
      wish,
      acknowledged: [],
      sentAtMs: performance.now(),
    };
    this.sent.push(sent);
    this.#open += 1;
    const waits = wish === "cancel" ? false : random.next() < 0.6;
    const isRepeated = random.next() < 0.02;
    try {
      await this.#send(sent, args, waits);
      if (isRepeated) await this.#send(sent, args, waits);
      if (wish === "cancel") await this.#cancel(sent);
      await this.#follow(sent);
      sent.settledAtMs = performance.now();
    } catch (error) {
      this.complaints.push(
        `${sent.key} (${wish}): ${error instanceof Error ? `${codeOf(error)} ${error.message}` : error}`,
      );
    } finally {
      this.#open -= 1;
    }
  }

  async #send(sent: Sent, args: Record<string, JsonValue>, waits: boolean): Promise<void> {
    const { client } = this.#settings;
    const answer = await this.#again(() =>
      client.send(
        this.#sessionId,
        {
          command: sent.command,
          args,
          mode: waits ? "sync" : "async",
          ...(sent.wish === "time out" && { deadlineMs: 400 }),
        },
        { idempotencyKey: sent.key, signal: AbortSignal.timeout(requestMs) },
      ),
    );
    sent.acknowledged.push(answer.executionId);
    this.acknowledgedAtMs.push(performance.now());
    this.#take(sent, answer.status, "result" in answer ? answer.result : undefined);
  }

  async #cancel(sent: Sent): Promise<void> {
    const [executionId] = sent.acknowledged as [string];
    await pause(this.#settings.random.next() * 500);
    await this.#again(() => this.#settings.client.cancel(executionId));
    sent.cancelAcknowledged = true;
  }

  /** Looks until there is an outcome. */
  async #follow(sent: Sent): Promise<void> {
    const [executionId] = sent.acknowledged as [string];
    for (const giveUpAtMs = performance.now() + maxAskMs; sent.status === undefined; ) {
      if (performance.now() > giveUpAtMs) throw new Error(`${executionId} has no outcome.`);
      await pause(lookMs);
      const { status, result } = await this.#again(() => this.#settings.client.execution(executionId));
      this.#take(sent, status, result);
    }
  }

  #take(sent: Sent, status: Parameters<typeof isOutcome>[0], result: unknown): void {
    if (!isOutcome(status)) return;
    if (sent.status !== undefined && sent.status !== status)
      this.complaints.push(`${sent.key} was answered as ${sent.status}, and then as ${status}`);
    sent.status = status;
    if (status !== "completed") return;
    sent.result = result;
    this.completedAtMs.push(performance.now());
  }

  /** Until it is answered. What the gateway says no to for good is thrown. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    for (const giveUpAtMs = performance.now() + maxAskMs; ; ) {
      try {
        return await ask();
      } catch (error) {
        const isFinal = error instanceof GatewayProblem && !error.retryable;
        if (isFinal || performance.now() > giveUpAtMs) throw error;
        const isLate = error instanceof Error && error.name === "TimeoutError";
        const code = isLate ? `no answer in ${requestMs} ms` : codeOf(error);
        this.vain[code] = (this.vain[code] ?? 0) + 1;
        await pause((0.5 + this.#settings.random.next() / 2) * againMs);
      }
    }
  }
}
