import type { SinkCall, SinkOutcome, SinkRequest } from "./sink-lines.ts";

interface Entry {
  /** How often it was posted, and not by how many calls. */
  posted: number;
  isTakenBack: boolean;
  isVoid: boolean;
  /** Calls of `once` under an earlier claim than this are refused. */
  fence: number;
}

/**
 * A defect on purpose, so that what checks can be seen to find it: every call is done, whatever was done under its key; or none is,
 * and is answered as if it were.
 */
export type SinkDefect = "no keys" | "no effects";

/** Decides what the sink does for each call, from those before it. */
export class SinkBook {
  readonly #entries = new Map<string, Entry>();
  readonly #defect: SinkDefect | undefined;

  constructor(defect: SinkDefect | undefined) {
    this.#defect = defect;
  }

  decide(request: Omit<SinkRequest, "nr">): SinkOutcome {
    const entry = this.#entries.get(request.key) ?? { posted: 0, isTakenBack: false, isVoid: false, fence: 0 };
    this.#entries.set(request.key, entry);
    switch (request.op) {
      case "post":
        if (entry.isVoid) return "refused";
        if (entry.posted > 0 && this.#defect !== "no keys") return "repeated";
        return this.#post(entry);
      case "once":
        if (request.claim < entry.fence) return "refused";
        return this.#post(entry);
      case "find":
        entry.fence = Math.max(entry.fence, request.claim);
        return entry.posted > 0 ? "done" : "nothing";
      case "undo":
      case "void":
        return this.#takeBack(entry, request.op);
    }
  }

  #post(entry: Entry): "done" | "nothing" {
    entry.posted += 1;
    return this.#defect === "no effects" ? "nothing" : "done";
  }

  #takeBack(entry: Entry, op: "undo" | "void"): SinkOutcome {
    if (op === "void") entry.isVoid = true;
    if (entry.isTakenBack) return "repeated";
    if (entry.posted === 0) return op === "void" ? "nothing" : "defect";
    entry.isTakenBack = true;
    return "done";
  }

  /** Takes what its file has. */
  take(call: SinkCall): void {
    this.decide(call);
  }
}
