/** What runs a system: for programs and tests that start one themselves. */
export { configFileName, findConfig, loadConfig } from "./config-file.ts";
export type { Notice, System, SystemOptions, SystemPorts } from "./create-system.ts";
export { createSystem } from "./create-system.ts";
export { eventTypes } from "./event-types.ts";
export type { Hosting, HostingAsked, Role } from "./hosting.ts";
export type { OpenedSystem, OpenOptions } from "./open-system.ts";
export { openSystem } from "./open-system.ts";
export type { Settings } from "./settings.ts";
export { readSettings } from "./settings.ts";
