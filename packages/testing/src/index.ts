export type { TestClient, TestSystem, TestSystemOptions } from "./test-system.ts";
export { startTestSystem } from "./test-system.ts";
