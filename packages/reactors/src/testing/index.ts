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
