import { once } from "node:events";
import type { Socket } from "node:net";
import { createConnection } from "node:net";
import { invariant, ViableError } from "@viable/kernel";
import type { StepContext } from "@viable/reactors";
import type { SinkAnswer, SinkOutcome, SinkRequest } from "./sink-lines.ts";
import type { Bank, Posting, Teller } from "./transfer.ts";

/** Who asks: the life of this process, and which claim of that run it works under. Asked when a step's function begins. */
export type WhoAsks = (runId: string) => { readonly by: string; readonly claim: number };

/** The sink as the steps of a worker see it. */
export class SinkClient implements Bank {
  readonly #socket: Socket;
  readonly #whoAsks: WhoAsks;
  readonly #waiting = new Map<number, (outcome: SinkOutcome) => void>();
  #nr = 0;

  private constructor(socket: Socket, whoAsks: WhoAsks) {
    this.#socket = socket;
    this.#whoAsks = whoAsks;
    let unfinished = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      const lines = (unfinished + text).split("\n");
      unfinished = lines.pop() as string;
      for (const line of lines) {
        const { nr, outcome } = JSON.parse(line) as SinkAnswer;
        this.#waiting.get(nr)?.(outcome);
        this.#waiting.delete(nr);
      }
    });
  }

  static async connect(path: string, whoAsks: WhoAsks): Promise<SinkClient> {
    const socket = createConnection(path);
    await once(socket, "connect");
    return new SinkClient(socket, whoAsks);
  }

  teller(ctx: StepContext): Teller {
    const { idempotencyKey: key, runId: run, step } = ctx;
    const who = this.#whoAsks(run);
    const ask = async (op: SinkRequest["op"], postings: readonly Posting[] = []) => {
      const nr = ++this.#nr;
      const request: SinkRequest = { nr, op, key, run, step, postings, ...who };
      const outcome = await new Promise<SinkOutcome>((resolve) => {
        this.#waiting.set(nr, resolve);
        this.#socket.write(`${JSON.stringify(request)}\n`);
      });
      if (outcome === "refused")
        throw new ViableError("test.refused", `The sink refuses to ${op} ${key} for ${who.by}.`, { retryable: true });
      invariant(outcome !== "defect", "W5", `the sink was asked to ${op} ${key}, which had never been done`);
      return outcome;
    };
    const postOrUndo = (op: SinkRequest["op"]) => async (postings?: readonly Posting[]) =>
      void (await ask(op, postings));
    return {
      post: postOrUndo("post"),
      undo: postOrUndo("undo"),
      void: postOrUndo("void"),
      postOnce: postOrUndo("once"),
      find: async () => (await ask("find")) === "done",
    };
  }
}
