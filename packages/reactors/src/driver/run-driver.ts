import type { Context } from "@viable/kernel";
import { invariant, ViableError } from "@viable/kernel";
import type { StepWait } from "@viable/protocol";
import type { OpenNode } from "../open-node.ts";
import type { Progress } from "../progress.ts";
import { askAgain } from "./ask-log.ts";
import { dropWaiting, queueCall } from "./call-steps.ts";
import { readNews } from "./catch-up.ts";
import { awaitChild, endChild } from "./child-runs.ts";
import { isToClear, isToFail, reasonToClear } from "./clear-up.ts";
import { compensate } from "./compensate.ts";
import { acceptResult, chooseBranch, decideTurn } from "./decide-steps.ts";
import type { DrivenRun, RunPorts } from "./driven-run.ts";
import { mayGoOn, nowOf, undoKey, wakeFor } from "./driven-run.ts";
import { findOutcome } from "./find-outcome.ts";
import { giveUpWhereLate } from "./give-up-where-late.ts";
import { failAttempt } from "./outcomes.ts";
import { complete, isDone, record } from "./record.ts";
import { causeOf, endUndone, undoNext } from "./undo-run.ts";
import { awaitApproval, awaitEvent, sleep } from "./waits.ts";
import { write } from "./write-pending.ts";

/** What a driver needs of those around it: what its run does, and whoever is told where the driver stands. */
export interface DriverPorts extends RunPorts {
  /** Nothing of it goes on until something falls due or is heard of: it may be forgotten, and loaded again then. */
  rest(driver: RunDriver): void;
  /** It has ended, or was lost. */
  leave(driver: RunDriver, how: "ended" | "lost"): void;
  /** It cannot go on, for a reason that does not pass: forget it, and say so. */
  failed(driver: RunDriver, error: unknown): void;
}

/** What some steps may wait for: that a composed run ended, or that something was received. */
export type News = { readonly runId: string } | { readonly event: string; readonly key: string };

/** A step that asks the log for what was received under what it waits for. */
interface Asker {
  readonly path: string;
  readonly wait: StepWait & { readonly for: "event" };
}

/**
 * Carries one run on, under one claim: does what its progress says can be done, writes down what came of it, and only then goes on with what
 * that makes possible. One append of a run is on its way at a time, and takes along all that has come meanwhile.
 *
 * States: driving (calls under way, or something to write) ⇄ resting (all it waits for is not due) → forgotten, to be loaded anew
 *         driving → ended → left · driving → lost (the claim is another's): calls are ended, what they say does not count
 *
 * A run's life in it: `start` launches what can be done. What comes of it is recorded, written, and makes more possible, which is launched
 * when it is durable. Whenever something has come to its end the driver settles: with nothing under way it completes, rests, undoes or leaves.
 */
export class RunDriver {
  readonly #run: DrivenRun;
  readonly #ports: DriverPorts;
  /** What was begun to be cleared up after, by its path: once, and then as the log tells. */
  #told: Set<string> | undefined;
  /** Which of the steps that wait for the same event and key asks the log for them all, by what they wait for; made when one does. */
  #askers: Map<string, Asker> | undefined;
  #whenQuiet: (() => void)[] = [];

  constructor(ctx: Context, ports: DriverPorts, progress: Progress, claimed: Pick<DrivenRun, "epoch" | "leftBehind">) {
    this.#ports = ports;
    this.#run = {
      runId: progress.runId,
      ctx,
      ports,
      epoch: claimed.epoch,
      leftBehind: claimed.leftBehind,
      progress,
      hasLeft: false,
      isHalted: false,
      durable: progress.version,
      heard: 0,
      pending: [],
      writing: undefined,
      unwritten: new Set(),
      active: new Map(),
      queue: [],
      calls: 0,
      due: undefined,
      uncertain: undefined,
      askAgain: undefined,
      heldReviews: undefined,
      undoRests: false,
      launch: (nodes) => this.#launch(nodes),
      write: () => {
        this.#run.writing ??= write(this.#run);
      },
      settle: () => this.#settle(),
      lose: (reason) => this.lose(reason),
      giveUp: (error) => ports.failed(this, error),
    };
  }

  get runId(): string {
    return this.#run.runId;
  }

  get ctx(): Context {
    return this.#run.ctx;
  }

  get epoch(): number {
    return this.#run.epoch;
  }

  get progress(): Progress {
    return this.#run.progress;
  }

  /** Until when nothing of it goes on (wall time in milliseconds); null where only news can go on with it. */
  get idleUntilMs(): number | null {
    const { deadline, phase } = this.progress;
    let untilMs = deadline !== undefined && phase === "going" ? deadline : Number.POSITIVE_INFINITY;
    for (const atMs of this.#run.due?.values() ?? []) untilMs = Math.min(untilMs, atMs);
    return Number.isFinite(untilMs) ? untilMs : null;
  }

  // What it is told

  /** Begins, or goes on after it was loaded. */
  start(): void {
    const { deadline } = this.progress;
    if (deadline !== undefined) this.#ports.wakeAt(this.runId, deadline);
    this.#launch(this.progress.takeReady());
    this.#settle();
  }

  /** A time has come. */
  due(): void {
    const run = this.#run;
    if (run.hasLeft || run.isHalted) return;
    const now = nowOf(run);
    const { open } = run.progress;
    const due: OpenNode[] = [];
    for (const [path, atMs] of run.due ?? []) {
      if (atMs > now) continue;
      run.due?.delete(path);
      if (path === undoKey) run.undoRests = false;
      const node = open.get(path);
      if (node !== undefined) due.push(node);
    }
    this.#launch(due);
    this.#settle();
  }

  /** What some of its steps may wait for has happened. */
  heardOf(news: News): void {
    const run = this.#run;
    if (run.hasLeft || run.isHalted) return;
    run.undoRests = false;
    this.#launchFirst(news);
    this.#settle();
  }

  /** The run's stream has come to this version. What this driver has not written itself it reads; false where it knows all of it. */
  news(version: number): boolean {
    return readNews(this.#run, version);
  }

  // How it comes to its end

  /** Lets what is under way end, writes it down and begins nothing; resolves when there is nothing left, or the context ends. */
  async halt(): Promise<void> {
    const run = this.#run;
    run.isHalted = true;
    dropWaiting(run, () => false);
    // What was lost is waited for no more: it was told to end, and what it says does not count.
    while (!run.hasLeft && (run.active.size > 0 || run.writing !== undefined)) {
      await (run.writing ?? new Promise<void>((resolve) => this.#whenQuiet.push(resolve)));
    }
  }

  /** What it knows is in the log, and somebody needs the room: it is loaded again when something falls due. */
  forget(): void {
    this.#run.hasLeft = true;
  }

  /** The claim is another's: nothing of what goes on here counts any more. */
  lose(reason: string): void {
    if (this.#run.hasLeft) return;
    this.#endAll("reactor.lost", `is carried on elsewhere: ${reason}`);
    this.#ports.leave(this, "lost");
  }

  /** Ends what is under way and writes nothing more; for a halt that took too long. */
  abandon(reason: string): void {
    this.#endAll("reactor.halted", `was given back: ${reason}`);
  }

  #endAll(code: string, what: string): void {
    const run = this.#run;
    run.hasLeft = true;
    const reason = new ViableError(code, `The run ${run.runId} ${what}.`, { retryable: true });
    for (const each of run.active.values()) {
      if (each.kind === "calling") each.end(reason);
      else if (each.kind === "waitingForPool") each.giveUp();
    }
    for (const each of run.pending.splice(0)) each.onWritten?.(false);
    this.#tellQuiet();
  }

  #tellQuiet(): void {
    for (const resolve of this.#whenQuiet.splice(0)) resolve();
  }

  // What can be done

  #launch(nodes: readonly OpenNode[]): void {
    const run = this.#run;
    if (run.isHalted || run.hasLeft) return;
    // Nobody may have had it when its time was up, and a timer may come later than what goes on with it.
    giveUpWhereLate(run);
    if (nodes.length === 0) return;
    if (!mayGoOn(run)) {
      this.lose("its lease ran out");
      return;
    }
    for (const node of nodes) {
      if (run.isHalted || run.hasLeft) return;
      const { phase, review, open } = run.progress;
      if (node.todo === undefined || !open.has(node.path) || review !== undefined) continue;
      if (run.unwritten.has(node.path)) continue;
      const active = run.active.get(node.path);
      if (active?.kind === "asking") askAgain(run, node.path);
      if (active !== undefined) continue;
      if (phase === "going" || (phase === "failing" && isToClear(run, node))) {
        if (!this.#isAskedFor(node)) begin(run, node);
      }
      // A child that runs is told to end once it is durable that the run goes no further, and waited for.
      else if (phase === "failing" && node.wait?.for === "run" && this.#told?.has(node.path))
        endChild(run, node, node.wait);
    }
  }

  /** Of those that wait for it one gets what was received, and one alone waits for a run: the first of them has to look. */
  #launchFirst(news: News): void {
    for (const node of this.#run.progress.open.values()) {
      if (!waitsFor(node, news)) continue;
      this.#launch([node]);
      return;
    }
  }

  /**
   * Whether another step asks the log already for what this one waits for. One asks for all, and the next once that one got something: where
   * ten thousand wait for the same, each would ask about each that comes otherwise. One whose time is up asks for itself.
   */
  #isAskedFor({ path, wait }: OpenNode): boolean {
    if (wait?.for !== "event") return false;
    const run = this.#run;
    const { until = Number.POSITIVE_INFINITY } = wait;
    const name = JSON.stringify([wait.event, wait.key]);
    this.#askers ??= new Map();
    const asker = this.#askers.get(name);
    if (asker === undefined || !run.active.has(asker.path) || nowOf(run) >= until) {
      this.#askers.set(name, { path, wait });
      return false;
    }
    // What this one began to wait for, or was told of, may have come after that one asked.
    askAgain(run, asker.path);
    if (until < Number.POSITIVE_INFINITY) wakeFor(run, path, until);
    return true;
  }

  /**
   * Where one that asked for others waits no more, it got something, and there may be more. Looked through in the order of the asking, which is
   * about that of the answers, as far as they have come: so it costs each next to nothing.
   */
  #askOn(askers: Map<string, Asker>): void {
    const { active, progress } = this.#run;
    for (const [name, { path, wait }] of askers) {
      if (active.has(path)) return;
      askers.delete(name);
      const asker = progress.open.get(path);
      if (asker === undefined || !waitsFor(asker, wait)) this.#launchFirst(wait);
    }
  }

  /** Something may have ended. Where nothing is under way any more, that means something for the whole. */
  #settle(): void {
    const run = this.#run;
    if (this.#askers !== undefined) this.#askOn(this.#askers);
    if (run.hasLeft) return;
    // What waits for its turn does not begin where the run goes no further, but for what is done nevertheless.
    if (run.progress.phase === "failing") dropWaiting(run, (node) => isToClear(run, node));
    if (run.active.size === 0) this.#tellQuiet();
    const isQuiet = run.active.size === 0 && run.pending.length === 0 && run.writing === undefined;
    if (isQuiet && !run.isHalted) this.#goOn();
  }

  /** Nothing is under way, and all is durable: what comes next. */
  #goOn(): void {
    const run = this.#run;
    const { phase, review, undoRequested, undo } = run.progress;
    if (phase === "ended") {
      if (undoRequested === undefined) this.#leaveEnded();
      else {
        const { by, reason } = undoRequested;
        record(run, { type: "run.undoing", data: { cause: { kind: "requested", by, reason } } });
      }
    } else if (review !== undefined) this.#ports.rest(this);
    // Its last outcome was written by somebody else, as a person's decision is.
    else if (isDone(run)) complete(run);
    else if (phase === "failing") {
      if (this.#clearUp()) this.#restWhereQuiet();
      else if (undo.undoable > 0) record(run, { type: "run.undoing", data: { cause: causeOf(run.progress) } });
      else endUndone(run);
    } else if (phase === "going" || run.undoRests || !undoNext(run)) this.#ports.rest(this);
  }

  #leaveEnded(): void {
    this.#run.hasLeft = true;
    this.#ports.leave(this, "ended");
  }

  #restWhereQuiet(): void {
    const { hasLeft, active, pending } = this.#run;
    if (!hasLeft && active.size === 0 && pending.length === 0) this.#ports.rest(this);
  }

  /**
   * It goes no further: what may have been left half done is cleared up after, what it had composed is told to end, and what may have
   * happened is found out. True as long as any of that goes on.
   */
  #clearUp(): boolean {
    const run = this.#run;
    let goesOn = false;
    for (const node of [...run.progress.open.values()]) {
      const { path, attempt, error } = node;
      if (isToFail(node)) {
        invariant(error !== undefined, "W8", `${path} is to be tried again, and has not failed`);
        failAttempt(run, path, attempt, error, undefined);
        return true;
      }
      if (reasonToClear(run, node) === undefined) continue;
      goesOn = true;
      this.#told ??= new Set();
      if (this.#told.has(path)) continue;
      this.#told.add(path);
      this.#launch([node]);
    }
    return goesOn;
  }
}

/** Does what is to be done about a step. */
function begin(run: DrivenRun, node: OpenNode): void {
  if (node.todo === "choose") chooseBranch(run, node);
  else if (node.todo === "turn") decideTurn(run, node);
  else if (node.todo === "accept") acceptResult(run, node);
  else if (node.begun !== undefined) void findOutcome(run, node, node.begun);
  else if (node.todo === "compensate") void compensate(run, node);
  else if (node.retryAt !== undefined && nowOf(run) < node.retryAt) wakeFor(run, node.path, node.retryAt);
  else beginStep(run, node);
}

function beginStep(run: DrivenRun, node: OpenNode): void {
  const { node: said } = node.plan;
  switch (said.kind) {
    case "step":
    case "task":
      queueCall(run, node);
      return;
    case "sleep":
      sleep(run, node);
      return;
    case "event":
      awaitEvent(run, node, said);
      return;
    case "approval":
      awaitApproval(run, node, said);
      return;
    case "compose":
      awaitChild(run, node, said);
      return;
  }
}

const waitsFor = ({ wait }: OpenNode, news: News): boolean =>
  "runId" in news
    ? wait?.for === "run" && wait.runId === news.runId
    : wait?.for === "event" && wait.event === news.event && wait.key === news.key;
