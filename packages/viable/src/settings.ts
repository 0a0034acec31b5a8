import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { ViableError } from "@viable/kernel";
import type { SystemDefinition } from "./define-system.ts";
import type { Hosting, HostingAsked } from "./hosting.ts";
import { isPart, readHosting } from "./hosting.ts";
import { maxSockets } from "./max-sockets.ts";

/** What may be set from outside the config, per machine. Read once, here, and handed down as plain options. */
export interface Settings {
  /** Where state is kept: `.viable/` beside the config unless `VIABLE_STATE_DIR` says otherwise. */
  readonly stateDir: string;
  /** A PostgreSQL server (`DATABASE_URL`); the embedded database where absent. */
  readonly databaseUrl: string | undefined;
  /** NATS servers, joined by commas (`NATS_URL`), by which processes hear each other at once; a bus within the process where absent. */
  readonly natsUrl?: string | undefined;
  /** The creds file for them (`NATS_CREDS`), where accounts are kept so. */
  readonly natsCreds?: string | undefined;
  /** What of the system this process runs (`--only` and `--roles`, else `VIABLE_ONLY` and `VIABLE_ROLES`): all of it where nothing is said. */
  readonly hosting?: Hosting | undefined;
  /** Where the seals of the log are kept besides it (`VIABLE_SEALS_FILE`); in the state folder where absent. */
  readonly sealsFile?: string | undefined;
  /** The system's secret in base64url (`VIABLE_SECRET_KEY`), which its machines share; where absent, a file beside the embedded database, and none on a server. */
  readonly secretKey?: string | undefined;
  /** The secret that is given takes the place of one that was lost (`VIABLE_SECRET_LOST=yes`). */
  readonly secretLost?: boolean | undefined;
  /** Where what is made once is kept, for all systems of a user (`XDG_CACHE_HOME`, or `.cache/` in the home folder); nowhere where absent. */
  readonly cacheDir?: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly threads: number | undefined;
  /** Sockets that may be open at this gateway (`VIABLE_SOCKETS`); as the config says where absent. */
  readonly sockets?: number | undefined;
  /** Whether services take the ports the config names (`VIABLE_SERVICE_PORTS=any` takes free ones). */
  readonly servicePorts: "declared" | "any";
}

/** Services ask nobody for a token, so they answer this machine alone. From elsewhere the gateway answers for them, and asks. */
export const serviceHost = "127.0.0.1";

type Environment = Readonly<Record<string, string | undefined>>;

/** The settings of a system on this machine: the config's, overridden by the environment's, and those by what was asked for on the command line. */
export function readSettings(
  system: SystemDefinition,
  configFile: string,
  environment: Environment,
  asked: HostingAsked = {},
): Settings {
  const sealsFile = variable(environment, "VIABLE_SEALS_FILE");
  const databaseUrl = variable(environment, "DATABASE_URL");
  return {
    stateDir: resolve(variable(environment, "VIABLE_STATE_DIR") ?? join(dirname(configFile), ".viable")),
    databaseUrl,
    natsUrl: variable(environment, "NATS_URL"),
    natsCreds: variable(environment, "NATS_CREDS"),
    hosting: hostingOf(system, environment, asked, databaseUrl),
    sealsFile: sealsFile === undefined ? undefined : resolve(sealsFile),
    secretKey: variable(environment, "VIABLE_SECRET_KEY"),
    ...(oneOf(environment, "VIABLE_SECRET_LOST", ["yes", "no"] as const) === "yes" && { secretLost: true }),
    cacheDir: cacheFolder(environment),
    host: variable(environment, "VIABLE_HOST") ?? system.gateway.host,
    port: wholeNumber(environment, "VIABLE_PORT", 0, 65_535) ?? system.gateway.port,
    threads: wholeNumber(environment, "VIABLE_THREADS", 1, 256) ?? system.limits.threads,
    sockets: wholeNumber(environment, "VIABLE_SOCKETS", 1, maxSockets) ?? system.limits.sockets,
    servicePorts: oneOf(environment, "VIABLE_SERVICE_PORTS", ["declared", "any"] as const) ?? "declared",
  };
}

function hostingOf(
  system: SystemDefinition,
  environment: Environment,
  asked: HostingAsked,
  databaseUrl: string | undefined,
): Hosting {
  const hosting = readHosting(
    system,
    {
      only: asked.only ?? variable(environment, "VIABLE_ONLY"),
      roles: asked.roles ?? variable(environment, "VIABLE_ROLES"),
    },
    {
      only: asked.only === undefined ? "VIABLE_ONLY" : "--only",
      roles: asked.roles === undefined ? "VIABLE_ROLES" : "--roles",
    },
  );
  if (databaseUrl !== undefined) return hosting;
  // No other process can open the embedded database.
  if (!isPart(system, hosting)) return { ...hosting, apart: [] };
  throw new ViableError(
    "config.invalid",
    "Only a part of the system is to run here, and on the embedded database no other process can run the rest.",
    { next: "Name a PostgreSQL server in DATABASE_URL, for this process and the others; or run the whole here." },
  );
}

/** Only what is absolute names a cache: a relative one would be whatever lies in the folder one happens to stand in. */
function cacheFolder(environment: Environment): string | undefined {
  const named = variable(environment, "XDG_CACHE_HOME");
  const caches = named !== undefined && isAbsolute(named) ? named : join(homeFolder(), ".cache");
  return isAbsolute(caches) ? join(caches, "viable") : undefined;
}

/** Empty where the system knows of none for this user. */
function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return "";
  }
}

/** Where the command line finds a running system when it is not told. */
export interface ClientSettings {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly stateDir: string | undefined;
  /** Where tokens of log-ins are kept, by gateway: in `XDG_CONFIG_HOME`, or `.config/` in the home folder; nowhere where absent. */
  readonly logInsFile: string | undefined;
}

export function readClientSettings(environment: Environment): ClientSettings {
  return {
    url: variable(environment, "VIABLE_URL"),
    token: variable(environment, "VIABLE_TOKEN"),
    stateDir: variable(environment, "VIABLE_STATE_DIR"),
    logInsFile: logInsFile(environment),
  };
}

/** As of the cache: only what is absolute. */
function logInsFile(environment: Environment): string | undefined {
  const named = variable(environment, "XDG_CONFIG_HOME");
  const folder = named !== undefined && isAbsolute(named) ? named : join(homeFolder(), ".config");
  return isAbsolute(folder) ? join(folder, "viable", "log-ins.json") : undefined;
}

/**
 * A variable's value. One that is empty is not set: so shells, service files and containers write it, and an empty host would
 * be every address of the machine.
 */
export function variable(environment: Environment, name: string): string | undefined {
  const text = environment[name];
  return text === "" ? undefined : text;
}

function wholeNumber(environment: Environment, name: string, min: number, max: number): number | undefined {
  const text = variable(environment, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalid(name, `must be a whole number from ${min} to ${max}, not "${text}"`);
  return value;
}

function oneOf<T extends string>(environment: Environment, name: string, values: readonly T[]): T | undefined {
  const text = variable(environment, name);
  if (text === undefined) return undefined;
  const value = values.find((each) => each === text);
  if (value === undefined) throw invalid(name, `must be ${values.join(" or ")}, not "${text}"`);
  return value;
}

const invalid = (name: string, reason: string): ViableError =>
  new ViableError("config.invalid", `The environment variable ${name} ${reason}.`);
