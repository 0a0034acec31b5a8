export type { GraphChange } from "./compare-graphs.ts";
export type { Disagreement, HistoryEvent, Replayed, ReplayOptions } from "./replay-history.ts";
export { replayHistory } from "./replay-history.ts";
export type {
  CallsOf,
  FailAt,
  TestCall,
  TestedRun,
  TestReactorOptions,
  TestRole,
  TestRun,
  TestWait,
} from "./test-reactor.ts";
export { testReactor } from "./test-reactor.ts";
