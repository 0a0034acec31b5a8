import type { Context, Runtime } from "@viable/kernel";
import { createRuntime } from "@viable/kernel";
import type { Log } from "@viable/log";
import { createPgliteStore, createPostgresStore } from "@viable/log-postgres";
import { openSealKey } from "@viable/security";
import type { Child } from "@viable/supervisor";
import type { ServiceDefinition } from "@viable/swarm";
import type { Notice, System, SystemPorts } from "./create-system.ts";
import { createSystem } from "./create-system.ts";
import type { SystemDefinition } from "./define-system.ts";
import { noteHosting } from "./hosting.ts";
import { secretSource } from "./secret-source.ts";
import { createServerClock } from "./server-clock.ts";
import type { Settings } from "./settings.ts";
import type { StateDirectory } from "./state-directory.ts";
import { stateDirectory } from "./state-directory.ts";
import { createSharedBus } from "./system-bus.ts";

export interface OpenOptions {
  /** Starts a service in a process of its own, and answers when its swarm runs. What others should know of that process goes into the log. */
  ownProcess?(ctx: Context, service: ServiceDefinition, log: Log): Promise<Child>;
  /** Told who this process is among those of the system, before it takes anything on. */
  onJoining?(processId: string): void;
  onNotice?(notice: Notice): void;
}

/** A running system with the folder that holds its state. */
export interface OpenedSystem {
  readonly system: System;
  readonly state: StateDirectory;
  close(ctx: Context): Promise<void>;
}

/**
 * Opens a system as this machine's settings say: on the embedded database in its state folder or on a PostgreSQL server, with
 * the owner's token kept in the state folder and the gateway's address noted there for the command line. Its log is sealed.
 */
export async function openSystem(
  ctx: Context,
  definition: SystemDefinition,
  settings: Settings,
  options: OpenOptions = {},
): Promise<OpenedSystem> {
  const state = stateDirectory(settings.stateDir);
  state.prepare();
  const kept = state.readToken();
  const { ownProcess } = options;
  const system: System = createSystem(definition, await openPorts(ctx, definition, settings, state, options), {
    hosting: settings.hosting,
    gateway: { host: settings.host, port: settings.port },
    servicePorts: settings.servicePorts,
    threads: settings.threads,
    sockets: settings.sockets,
    ownerToken: kept,
    backups: state.backups,
    secret: secretSource(settings),
    seals: { key: openSealKey(state.path), file: settings.sealsFile ?? state.seals, keys: state.path },
    ...(ownProcess !== undefined && {
      ownProcess: (childCtx: Context, service: ServiceDefinition) => ownProcess(childCtx, service, system.log),
    }),
    ...(options.onNotice !== undefined && { onNotice: options.onNotice }),
  });
  options.onJoining?.(system.membership.processId);
  for (const message of noteHosting(definition, settings)) options.onNotice?.({ level: "warn", message });
  await system.start(ctx);
  const isGateway = settings.hosting?.roles.includes("gateway") ?? true;
  if (isGateway && system.ownerToken !== kept) state.writeToken(system.ownerToken);
  const gateway = system.gatewayUrl === undefined ? undefined : { url: system.gatewayUrl, pid: process.pid };
  if (gateway !== undefined) state.writeGateway(gateway);
  return {
    system,
    state,
    async close(closeCtx) {
      if (gateway !== undefined) state.removeGateway(gateway);
      await system.stop(closeCtx);
    },
  };
}

/** On a server, which other processes are on too, all go by its time. */
async function openPorts(
  { runtime }: Context,
  definition: SystemDefinition,
  settings: Settings,
  state: StateDirectory,
  { onNotice }: OpenOptions,
): Promise<SystemPorts> {
  const warn = (message: string) => onNotice?.({ level: "warn", message });
  const busOn = async (own: Runtime) => {
    const bus = await createSharedBus(own, definition, settings, warn);
    return bus === undefined ? {} : { bus };
  };
  if (settings.databaseUrl === undefined)
    return { store: openEmbedded(settings, state), runtime, ...(await busOn(runtime)) };
  const store = createPostgresStore({ connectionString: settings.databaseUrl });
  const clock = createServerClock({
    clock: runtime.clock,
    serverMs: () => store.serverMs(),
    onOff: (aheadMs) => warn(tellOff(aheadMs)),
  });
  const own = createRuntime({ clock, random: runtime.random });
  return { store, clock, runtime: own, ...(await busOn(own)) };
}

function tellOff(aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  const where = aheadMs > 0 ? "ahead of" : "behind";
  return seconds < 2
    ? "This machine's clock goes with the database server's again."
    : `This machine's clock is ${seconds} s ${where} the database server's. The system goes by the server's; set the one that is wrong.`;
}

/** The store that this machine's settings name, not yet open. */
export const openStore = (settings: Settings, state: StateDirectory): SystemPorts["store"] =>
  settings.databaseUrl === undefined
    ? openEmbedded(settings, state)
    : createPostgresStore({ connectionString: settings.databaseUrl });

const openEmbedded = ({ cacheDir }: Settings, { database }: StateDirectory) =>
  createPgliteStore({ dataDir: database, cacheDir });
