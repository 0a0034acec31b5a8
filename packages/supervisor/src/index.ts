export type { Child, ChildInfo, ChildSpec, ChildState, Restart } from "./child.ts";
export type { SupervisorEvent } from "./events.ts";
export { supervise } from "./supervise.ts";
export type { Intensity, RestartPause, Strategy, SuperviseOptions, Supervisor } from "./supervisor.ts";
