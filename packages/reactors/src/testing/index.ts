export { describeEvent } from "./describe-event.ts";
export type { Recorded } from "./record-runs.ts";
export type {
  Breakpoint,
  Fate,
  ProcessWorld,
  SeenCall,
  SimulatedProcess,
  SimulationOptions,
} from "./simulate-processes.ts";
export { simulateProcesses } from "./simulate-processes.ts";
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
export type { FunctionCall, FunctionRole } from "./wrap-functions.ts";
