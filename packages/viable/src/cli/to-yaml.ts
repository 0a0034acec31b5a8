import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Data as YAML. What writes it is loaded by who first asks for it: nobody else waits for that at each call. */
export const toYaml = (data: unknown): string => (require("yaml") as typeof import("yaml")).stringify(data);
