import type { Context, JsonValue, Runtime } from "@viable/kernel";
import { ViableError, waitFor, withContext } from "@viable/kernel";
import type { Grant } from "@viable/security";
import type { Memory } from "../memory.ts";
import type { ProjectionReader } from "../projection-reader.ts";
import type { QueryContext } from "./query.ts";
import type { QueryOutcome } from "./query-outcome.ts";

/** What a query reads by: made when it is first asked for, since most ask for little of it. */
export interface QueryReach {
  memory(ctx: Context, service: string): Memory;
  globalMemory(ctx: Context): Memory;
  projection(ctx: Context, name: string): ProjectionReader;
  ask(ctx: Context, by: QueryAsked, query: string, args: JsonValue): Promise<QueryOutcome>;
}

/** What was asked of whom, and by what authority. */
export interface QueryAsked {
  readonly service: string;
  readonly query: string;
  readonly request: { readonly grant: Grant; readonly hops?: number };
}

/** One answering of a query: what its function is told. Its signal and its memories are made when they are first asked for: most never are. */
export class QueryCall implements QueryContext {
  readonly deadline: number;
  readonly #asked: QueryAsked;
  readonly #ctx: Context;
  readonly #reach: QueryReach;
  #controller: AbortController | undefined;
  #ended: { readonly reason: unknown } | undefined;

  constructor(ctx: Context, asked: QueryAsked, deadline: number, reach: QueryReach) {
    this.#ctx = ctx;
    this.#asked = asked;
    this.deadline = deadline;
    this.#reach = reach;
  }

  get service(): string {
    return this.#asked.service;
  }

  get query(): string {
    return this.#asked.query;
  }

  get tenant(): string {
    return this.#ctx.tenant;
  }

  get principal(): string {
    return this.#ctx.principal;
  }

  get traceparent(): string | undefined {
    return this.#ctx.traceparent;
  }

  get runtime(): Runtime {
    return this.#ctx.runtime;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#ended !== undefined) this.#controller.abort(this.#ended.reason);
    return this.#controller.signal;
  }

  get memory(): Pick<Memory, "get" | "list"> {
    return this.#reach.memory(this.#own, this.service);
  }

  get globalMemory(): Pick<Memory, "get" | "list"> {
    return this.#reach.globalMemory(this.#own);
  }

  projection(name: string): ProjectionReader {
    return this.#reach.projection(this.#own, name);
  }

  ask(query: string, args: JsonValue): Promise<QueryOutcome> {
    return this.#reach.ask(this.#ctx, this.#asked, query, args);
  }

  /** Waits for the answer as long as the caller does; then the function is told, and what it does after that is nobody's business. */
  async settled(answered: Promise<JsonValue>): Promise<JsonValue> {
    try {
      return await waitFor(withContext(this.#ctx, { deadline: this.deadline }), answered);
    } catch (error) {
      if (error instanceof ViableError && error.code.startsWith("context.")) this.#end(error);
      throw error;
    }
  }

  /** What it reads ends with it. */
  get #own(): Context {
    return withContext(this.#ctx, { signal: this.signal, deadline: this.deadline });
  }

  #end(reason: unknown): void {
    this.#ended = { reason };
    this.#controller?.abort(reason);
  }
}
