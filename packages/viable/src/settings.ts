import { dirname, join, resolve } from "node:path";
import { ViableError } from "@viable/kernel";
import type { SystemDefinition } from "./define-system.ts";

/** What may be set from outside the config, per machine. Read once, here, and handed down as plain options. */
export interface Settings {
  /** Where state is kept: `.viable/` beside the config unless `VIABLE_STATE_DIR` says otherwise. */
  readonly stateDir: string;
  /** A PostgreSQL server (`DATABASE_URL`); the embedded database where absent. */
  readonly databaseUrl: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly threads: number | undefined;
  /** Whether services take the ports the config names (`VIABLE_SERVICE_PORTS=any` takes free ones). */
  readonly servicePorts: "declared" | "any";
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The settings of a system on this machine: the config's, overridden by the environment's. */
export function readSettings(system: SystemDefinition, configFile: string, environment: Environment): Settings {
  return {
    stateDir: resolve(environment.VIABLE_STATE_DIR ?? join(dirname(configFile), ".viable")),
    databaseUrl: environment.DATABASE_URL,
    host: environment.VIABLE_HOST ?? system.gateway.host,
    port: wholeNumber(environment, "VIABLE_PORT", 0, 65_535) ?? system.gateway.port,
    threads: wholeNumber(environment, "VIABLE_THREADS", 1, 256) ?? system.limits.threads,
    servicePorts: oneOf(environment, "VIABLE_SERVICE_PORTS", ["declared", "any"] as const) ?? "declared",
  };
}

/** Where a client finds the gateway and its token when it is not told: for the command line. */
export function readClientSettings(environment: Environment): {
  url: string | undefined;
  token: string | undefined;
} {
  return { url: environment.VIABLE_URL, token: environment.VIABLE_TOKEN };
}

function wholeNumber(environment: Environment, name: string, min: number, max: number): number | undefined {
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalid(name, `must be a whole number from ${min} to ${max}, not "${text}"`);
  return value;
}

function oneOf<T extends string>(environment: Environment, name: string, values: readonly T[]): T | undefined {
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  const value = values.find((each) => each === text);
  if (value === undefined) throw invalid(name, `must be ${values.join(" or ")}, not "${text}"`);
  return value;
}

const invalid = (name: string, reason: string): ViableError =>
  new ViableError("config.invalid", `The environment variable ${name} ${reason}.`);
