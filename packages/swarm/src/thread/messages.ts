import type { ErrorOnTheWire, JsonValue } from "@viable/kernel";

/** A task as it goes into a worker thread. */
export interface ThreadTask {
  readonly kind: "task";
  readonly module: string;
  readonly agent: string;
  readonly input: unknown;
  readonly about: {
    readonly executionId: string;
    readonly service: string;
    readonly tenant: string;
    readonly attempt: number;
    readonly deadline: number;
  };
}

export type ToThread = ThreadTask | { readonly kind: "abort"; readonly reason: string };

export type FromThread =
  | {
      readonly kind: "progress";
      readonly percent: number;
      readonly message: string;
      readonly metadata: { readonly [key: string]: JsonValue } | undefined;
    }
  | { readonly kind: "result"; readonly result: JsonValue }
  | { readonly kind: "error"; readonly error: ErrorOnTheWire };
