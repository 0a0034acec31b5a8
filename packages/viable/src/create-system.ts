import { availableParallelism } from "node:os";
import type { Bus } from "@viable/bus";
import type { Membership, SingletonOffer } from "@viable/cluster";
import { createSingletons, joinCluster } from "@viable/cluster";
import type { Egress, Listener, Route } from "@viable/gateway";
import {
  createCoordinations,
  createEgress,
  createHttpApp,
  createReceive,
  createSessionExports,
  createSessionPresences,
  createSessions,
  createShares,
  createSockets,
  createUserActions,
  createWebhooks,
  listen,
} from "@viable/gateway";
import type { Context, Part, Runtime, Timer } from "@viable/kernel";
import { createRuntime, rootContext, sleep, ViableError, waitFor, withContext } from "@viable/kernel";
import type { Log, Store } from "@viable/log";
import { createLog, createProjections } from "@viable/log";
import type { StoreWarning } from "@viable/log-postgres";
import type { HealthView } from "@viable/protocol";
import type { Reactors } from "@viable/reactors";
import { createReactors, createSchedules, reactionOf } from "@viable/reactors";
import type { Registry } from "@viable/registry";
import { createConflicts, createRegistry, createSwarmMonitor } from "@viable/registry";
import type { Capabilities, Derive, SealKey, SecretSource } from "@viable/security";
import {
  createCapabilities,
  createCapabilityRegister,
  createCredentials,
  createHmacChain,
  createLogIns,
  createPasswords,
  createPolicies,
  createSealer,
  createServiceKeys,
  createUsers,
  createUses,
  createViolations,
  deriveKey,
  mintOwnerToken,
  openSystemKey,
  openSystemSecret,
  sealFile,
  withSecret,
} from "@viable/security";
import type { Child, Supervisor, SupervisorEvent } from "@viable/supervisor";
import { supervise } from "@viable/supervisor";
import type { Executions, Intake, Queries, ServiceDefinition, Swarm } from "@viable/swarm";
import {
  AccessCounter,
  createCatalogue,
  createExecutions,
  createIntake,
  createQueries,
  createQueryCatalogue,
  createSwarm,
  createTraffic,
  ThreadPool,
} from "@viable/swarm";
import { createBusNews } from "./bus-news.ts";
import { capabilityCommands } from "./capability-commands.ts";
import { capabilityViews } from "./capability-views.ts";
import { claimViews } from "./claim-views.ts";
import { databaseCommands } from "./database-commands.ts";
import type { SystemDefinition } from "./define-system.ts";
import { asksPersons, commandService, isProcessManager, systemService } from "./define-system.ts";
import { describeCommands } from "./describe-command.ts";
import { durabilityNote } from "./durability-note.ts";
import { eventTypes } from "./event-types.ts";
import { readHealth } from "./health.ts";
import type { Hosting } from "./hosting.ts";
import { hostAll } from "./hosting.ts";
import { createMetrics } from "./metrics.ts";
import { migrationCommands } from "./migration-commands.ts";
import { createMigrationWatch } from "./migration-watch.ts";
import { projectionCommands } from "./projection-commands.ts";
import { describeQueries, queryViews } from "./query-views.ts";
import { reactorCommands } from "./reactor-commands.ts";
import { reactorViews } from "./reactor-views.ts";

import { createRunTasks } from "./run-tasks.ts";
import { sealCommands } from "./seal-commands.ts";
import { serviceApp } from "./service-app.ts";
import { serviceHost } from "./settings.ts";
import type { OpenedSwarm } from "./singleton-service.ts";
import { singletonSpec } from "./singleton-service.ts";
import { swarmViews } from "./swarm-views.ts";
import { createSystemBus } from "./system-bus.ts";
import { systemCommands } from "./system-commands.ts";
import { createTaskRuns } from "./task-runs.ts";
import { createThrownNotices } from "./thrown-notices.ts";
import { userCommands } from "./user-commands.ts";
import { userViews } from "./user-views.ts";
import { version } from "./version.ts";
import { systemViews } from "./views.ts";
import { webhookCommands } from "./webhook-commands.ts";
import { webhookViews } from "./webhook-views.ts";
import { webhookWaits } from "./webhook-waits.ts";

/** What a system stands on; the composition root's caller chooses. */
export interface SystemPorts {
  /** What it warns of is told at start and shown in health. */
  readonly store: Store & { readonly warnings?: readonly StoreWarning[] };
  readonly runtime?: Runtime;
  /** Brought into step when the log is open, before anything goes by the runtime's time. */
  readonly clock?: Part;
  /** One that reaches other processes: they are told by it of what is written. Default: a bus within this process. */
  readonly bus?: Bus;
  /** The way to addresses that clients name. Default: over the network, to what the config allows. */
  readonly egress?: Egress;
  /** How passwords are hashed, where it is not to take what it takes: in simulated time, which goes on meanwhile. Default Argon2id. */
  readonly derivePassword?: Derive;
}

export interface SystemOptions {
  /** What of the system this process runs. Default: all of it. */
  readonly hosting?: Hosting | undefined;
  /** Where the gateway listens; undefined for a system without one, as in tests that call it in process. */
  readonly gateway?: { readonly host: string; readonly port: number };
  /** Starts a service in a process of its own, and answers when its swarm runs. Where absent, all that is hosted runs in this process. */
  ownProcess?(ctx: Context, service: ServiceDefinition): Promise<Child>;
  /** Whether services listen on the ports they declare, on any free ones, or on none. */
  readonly servicePorts: "declared" | "any" | "none";
  readonly threads?: number | undefined;
  /** Sockets that may be open at this gateway; as the config says where absent. */
  readonly sockets?: number | undefined;
  /** The owner's token as it was kept; undefined to have one minted (see `ownerToken`). */
  readonly ownerToken?: string | undefined;
  /** The folder that `database.backup` writes into; undefined where nothing is kept on a disk. */
  readonly backups?: string | undefined;
  /** Where the secret beside the database is kept; undefined for a system without one, as in memory. */
  readonly secret?: SecretSource | undefined;
  /** Has the log sealed: with which key, in which file besides, and where the public keys lie that are trusted. */
  readonly seals?: { readonly key: SealKey; readonly file: string; readonly keys: string } | undefined;
  /** What happens, for whoever writes the process's own log. */
  onNotice?(notice: Notice): void;
}

/** Something worth a line in the process's own log. */
export interface Notice {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
}

/** A running system in this process. */
export interface System extends Part {
  readonly definition: SystemDefinition;
  readonly runtime: Runtime;
  readonly log: Log;
  readonly registry: Registry;
  readonly executions: Executions;
  readonly intake: Intake;
  readonly queries: Queries;
  readonly reactors: Reactors;
  readonly capabilities: Capabilities;
  readonly membership: Membership;
  readonly swarms: ReadonlyMap<string, Swarm>;
  /** Where the gateway answers; undefined where it has none. */
  readonly gatewayUrl: string | undefined;
  /** Opens everything to whoever holds it. There once it has started. */
  readonly ownerToken: string;
  /** Rejects when a swarm could not be kept running: the process should end and be started again. */
  readonly done: Promise<void>;
  health(): Promise<HealthView>;
  /** What survives, in words. Settled once it has started. */
  readonly durabilityNote: string;
  /** What the gateway answers to: generated from its app, as its routes describe themselves, for documentation and for tests that must miss no route. */
  routes(): readonly Route[];
  /** The gateway's app, for calling it without a socket. */
  fetch(request: Request): Response | Promise<Response>;
}

/** Records that nobody has needed for an hour are forgotten; a minute between looks, 1,000 at a time. */
const purge = { olderThanMs: 3_600_000, everyMs: 60_000, limit: 1_000 };
/** How long all but the swarms may take to stop, in milliseconds: what was given back last is written, the lease is given up. */
const afterDrainMs = 5_000;
/** How long a start waits until a singleton runs, here or elsewhere, in milliseconds, and how often it looks. */
const settleMs = 5_000;
const settleLookMs = 20;
/** How long open requests may go on when the gateway closes, in milliseconds. */
const closeMs = 1_000;

/**
 * Puts a system together and starts and stops it in order: bus, log, clock, sealer, membership, singletons, capabilities, coordinations, registry, conflicts, executions, projections, webhooks, the
 * counter of accesses to memory, threads, intake, queries, the watch of migrations, reactors, schedules, each service's listener and swarm by start priority,
 * gateway; and back. Stopping, all listeners are closed before the swarms. Runs begin nothing more from the first moment on, and are waited for
 * after the swarms, since tasks of theirs may be under way there. The gateway, which takes no new commands from then on either, is the last
 * to go: who waits for an outcome is kept until then. The only place that knows all rooms.
 */
export function createSystem(definition: SystemDefinition, ports: SystemPorts, options: SystemOptions): System {
  const runtime = ports.runtime ?? createRuntime();
  const notice = (level: Notice["level"], message: string) => options.onNotice?.({ level, message });
  const bus = ports.bus ?? createSystemBus(runtime, (message) => notice("warn", message));
  const news = ports.bus && createBusNews(runtime, bus, () => ports.store.news);
  const log = createLog(ports.store, runtime, { types: eventTypes, ...(news !== undefined && { news }) });
  const swarms = new Map<string, Swarm>();
  const policies = createPolicies(definition.policies);
  const services: readonly ServiceDefinition[] = [
    commandService([
      ...systemCommands({
        catalogue: () => catalogue,
        registry: () => registry,
        policies,
        swarms: () => swarms,
        running: () => swarmMonitor.all().swarms,
        processId: () => membership.processId,
        health: () => health(),
      }),
      ...databaseCommands({ store: ports.store, system: definition.name, backups: options.backups }),
      ...sealCommands({ store: ports.store, seals: options.seals }),
      ...userCommands({ users: () => users, keys: () => serviceKeys }),
      ...migrationCommands({
        services: definition.services,
        registry: () => registry,
        executions: () => executions,
        watch: () => migrationWatch,
      }),
      ...capabilityCommands(() => register),
      ...projectionCommands(() => projections),
      ...reactorCommands({
        log: () => log,
        reactors: () => reactors,
        approvals: { executions: () => executions, capabilities: () => capabilities, policies },
      }),
      ...webhookCommands(() => log),
      ...definition.commands,
    ]),
    ...definition.services,
  ].sort((a, b) => a.startPriority - b.startPriority);
  const hosting = options.hosting ?? hostAll(definition);
  const hasSwarms = hosting.roles.includes("swarm");
  const here = services.filter(({ name }) => (name === systemService ? hasSwarms : hosting.services.includes(name)));
  const { ownProcess } = options;
  const apart = ownProcess === undefined ? [] : here.filter(({ name }) => hosting.apart.includes(name));
  const hosted = here.filter((service) => !apart.includes(service));

  const membership = joinCluster({
    log,
    runtime,
    hosts: hosted.map((service) => service.name),
    exclusive: ports.store.exclusive,
    leaseMs: definition.limits.leaseMs,
    onLost: ({ epoch, reason }) =>
      notice(
        "warn",
        `This process lost its lease of epoch ${epoch} (${reason}): its work may be taken over. It joins again by itself.`,
      ),
  });
  // Of its own lost lives it is told above.
  membership.onGone(({ id, epoch }) => {
    if (id !== membership.processId)
      notice("warn", `Process ${id} (epoch ${epoch}) is gone: what it had claimed is taken over.`);
  });
  const singletons = createSingletons({
    log,
    membership,
    runtime,
    giveBackMs: definition.limits.drainMs + afterDrainMs,
  });
  const sealer =
    options.seals &&
    createSealer({ log, runtime, key: options.seals.key, file: sealFile(options.seals.file), onNotice: notice });
  let secret: Uint8Array | undefined;
  /** Of the system's key and its secret, once the secret is opened. */
  const secretKeyFor = async (ctx: Context, purpose: string) =>
    deriveKey(withSecret(await openSystemKey(ctx, log), secret), purpose);
  const capabilities = createCapabilities({
    log,
    open: async (ctx) => createHmacChain(await secretKeyFor(ctx, "capabilities")),
  });
  const uses = createUses(log);
  const violations = createViolations(log);
  const register = createCapabilityRegister(log, capabilities);
  const passwords = createPasswords({ ...(ports.derivePassword && { derive: ports.derivePassword }) });
  const accounts = { log, capabilities, passwords, roles: definition.roles };
  const users = createUsers(accounts);
  const serviceKeys = createServiceKeys(accounts);
  let credentialKey: Uint8Array | undefined;
  const credentials = createCredentials({ log, key: () => credentialKey });
  const registry = createRegistry({
    log,
    bus,
    membership,
    // Also of those that run in other processes.
    services: services.map(({ name }) => name),
    rules: definition.routing,
  });
  const conflicts = createConflicts({ log, membership });
  const executions = createExecutions(log);
  const webhooks = createWebhooks({
    log,
    singletons,
    executions,
    egress: ports.egress ?? createEgress(definition.egress),
    openKey: (ctx) => secretKeyFor(ctx, "webhooks"),
    onProblem: (message) => notice("warn", message),
  });
  const swarmMonitor = createSwarmMonitor({
    log,
    membership,
    runtime,
    swarms,
    onProblem: (message) => notice("warn", message),
  });

  const accesses = new AccessCounter(log);
  const catalogue = createCatalogue(services);
  const traffic = createTraffic();
  const intake = createIntake({
    log,
    bus: ports.bus,
    registry,
    membership,
    executions,
    catalogue,
    swarm: (service) => swarms.get(service),
    capabilities,
    uses,
    violations,
    policies,
    maxOpen: definition.limits.maxOpenExecutions,
    onDelegated: traffic.count,
    onProblem: (message) => notice("warn", message),
  });
  const migrationWatch = createMigrationWatch({
    runtime,
    log,
    registry,
    membership,
    executions,
    intake,
    catalogue,
    onProblem: (message) => notice("warn", message),
  });
  // The first swarm that is up takes on what a crash has left. What that delegates must not be refused because the others are not up yet.
  const allRegistered = Promise.withResolvers<void>();
  // Whoever waits is told; nobody may be waiting.
  allRegistered.promise.catch(() => undefined);

  const reactors = createReactors({
    log,
    runtime,
    membership,
    definitions: definition.reactors,
    pools: definition.pools,
    takesRuns: hasSwarms,
    doTask: createRunTasks({ log, executions, intake, ready: allRegistered.promise }),
    onProblem: (message) => notice("warn", message),
    onThrown: createThrownNotices(runtime.clock, (message) => notice("warn", message)),
  });
  const projections = createProjections(log, [
    ...definition.projections.map((each) => (isProcessManager(each) ? reactionOf(each, reactors) : each)),
    // Nothing but runs of reactors, and commands that a policy asks for, waits for persons.
    ...(definition.reactors.length > 0 || asksPersons(definition) ? [webhookWaits(log, webhooks)] : []),
  ]);
  const queries = createQueries({
    log,
    bus,
    registry,
    membership,
    catalogue: createQueryCatalogue(services),
    projections,
    accesses,
    isHosted: (service) => swarms.get(service)?.isDrained === false,
    uses,
    violations,
  });
  const schedules = createSchedules({
    log,
    runtime,
    membership,
    reactors,
    schedules: definition.schedules,
    onProblem: (message) => notice("warn", message),
  });
  const threads = new ThreadPool({
    clock: runtime.clock,
    maxThreads: options.threads ?? Math.max(1, availableParallelism() - 1),
  });
  const sessions = createSessions({ log, capabilities, clientLimits: definition.clients });
  const coordinations = createCoordinations(log);
  const receive = createReceive({
    runtime,
    capabilities,
    sessions,
    executions,
    intake,
    queries,
    register,
    violations,
    coordinations,
    webhooks,
  });

  const onSupervisorEvent = (event: SupervisorEvent) => {
    // Stopping ends what it cannot wait for; that is no crash.
    if (event.type === "crashed" && running)
      notice("warn", `${event.supervisor}/${event.child} ended: ${event.error.message}`);
    if (event.type === "gave_up") notice("error", `${event.supervisor} gave up: ${event.error.message}`);
  };
  const carryOutRun = createTaskRuns(() => reactors);
  const tree = supervise({
    name: definition.name,
    strategy: "one-for-one",
    // Each service's swarm is added with its listener's address when that is known.
    children: [],
    onEvent: onSupervisorEvent,
  });

  const startedMs = runtime.clock.monotonicMs();
  let running = false;
  let stopping = false;
  let ownerToken = options.ownerToken;
  let gateway: Listener | undefined;
  /** Settles when the system cannot be kept running. */
  const ended = Promise.withResolvers<void>();
  // Whether anybody listens is their affair.
  ended.promise.catch(() => undefined);
  tree.done.then(ended.resolve, ended.reject);
  /** Services in processes of their own. */
  const processes: Supervisor[] = [];
  /** How the listeners of services are closed. */
  const closings: ((ctx: Context) => Promise<void>)[] = [];
  /** Services that one process at a time runs, as this one offers them. */
  const offers = new Map<string, SingletonOffer>();
  let purgeTimer: Timer | undefined;
  const life = new AbortController();

  const health = (): Promise<HealthView> =>
    readHealth({
      definition,
      log,
      store: ports.store,
      bus,
      membership,
      swarms,
      executions,
      projections,
      reactors,
      schedules,
      sealer,
      hasSecret: secret !== undefined,
      offers,
      runtime,
      running,
      uptimeMs: runtime.clock.monotonicMs() - startedMs,
    });
  const onError = (error: unknown) =>
    notice("error", error instanceof Error ? (error.stack ?? error.message) : String(error));
  const presences = createSessionPresences({
    runtime,
    presence: bus.presence,
    processId: membership.processId,
    onUnheard: onError,
  });
  const sockets = createSockets({
    runtime,
    receive,
    log,
    presences,
    maxSockets: options.sockets ?? definition.limits.sockets,
    onError,
  });
  const metrics = createMetrics({
    swarms,
    log,
    bus,
    membership,
    executions,
    accesses,
    projections,
    reactors,
    sockets,
    violations,
    runtime,
  });
  const app = createHttpApp({
    system: definition.name,
    runtime,
    receive,
    sessions,
    presences,
    shares: createShares({ log, register }),
    coordinations,
    exports: createSessionExports(log, executions),
    executions,
    log,
    views: [
      ...systemViews({ catalogue, registry, log, accesses, membership, projections, policies, traffic: traffic.pairs }),
      ...swarmViews({ processId: membership.processId, monitor: swarmMonitor }),
      ...reactorViews({ log, reactors, schedules, executions }),
      ...queryViews(queries.catalogue, registry),
      ...claimViews(conflicts),
      ...capabilityViews(register),
      ...webhookViews(log),
      ...userViews({ users, keys: serviceKeys, credentials }),
    ],
    webhooks,
    version,
    offers: ({ tenant }) => ({
      commands: describeCommands(catalogue, registry, policies, tenant),
      queries: describeQueries(queries.catalogue, registry, tenant),
    }),
    actions: createUserActions({ runtime, users, logIns: createLogIns(accounts), keys: serviceKeys, credentials }),
    trustedProxies: definition.gateway.trustedProxies,
    health,
    metrics: () => metrics.all(),
    onError,
  });

  const openSwarm = async (service: ServiceDefinition): Promise<OpenedSwarm> => {
    let listener: Listener | undefined;
    if (options.servicePorts !== "none" && service.name !== systemService) {
      const port = options.servicePorts === "any" ? 0 : service.port;
      const serviceRoutes = serviceApp(
        service.name,
        () => swarms.get(service.name),
        () => metrics.of(service.name),
      );
      listener = await listen((request) => serviceRoutes.fetch(request), {
        host: serviceHost,
        port,
        name: `service ${service.name}`,
      });
    }
    const opened = listener;
    const swarm = createSwarm({
      service,
      runtime,
      log,
      registry,
      membership,
      executions,
      threads,
      accesses,
      projections,
      conflicts,
      healthUrl: opened && `${opened.url}/health`,
      metricsUrl: opened && `${opened.url}/metrics`,
      drainMs: definition.limits.drainMs,
      isStopping: () => stopping,
      delegate: async (delegateCtx, parent, capability, args, delegateOptions) => {
        await waitFor(delegateCtx, allRegistered.promise.catch(untilGivenBack));
        const outcome = await intake.delegate(delegateCtx, parent, capability, args, delegateOptions);
        // A service that has stopped already is no answer to a task that still drains: it is given back, and begun again elsewhere.
        if (stopping && !outcome.ok && outcome.status === "refused") await waitFor(delegateCtx, untilGivenBack());
        return outcome;
      },
      carryOutRun,
      onEvent: onSupervisorEvent,
      onProblem: (message) => notice("warn", message),
    });
    return { swarm, close: async (closeCtx) => await opened?.close(within(closeCtx, closeMs)) };
  };
  const startSwarm = async (ctx: Context, service: ServiceDefinition) => {
    const { swarm, close } = await openSwarm(service);
    closings.push(close);
    swarms.set(service.name, swarm);
    await tree.add(ctx, swarm.childSpec());
  };
  const startSingleton = async (ctx: Context, service: ServiceDefinition): Promise<void> => {
    await tree.add(
      ctx,
      singletonSpec({
        service: service.name,
        singletons,
        drainMs: definition.limits.drainMs,
        open: () => openSwarm(service),
        onSwarm: (swarm) => void (swarm === undefined ? swarms.delete(service.name) : swarms.set(service.name, swarm)),
        onOffer: (offer) => void offers.set(service.name, offer),
        onProblem: (message) => notice("warn", message),
      }),
    );
    // What a crash has left and others ask for must not be refused because nobody has claimed it yet.
    const until = runtime.clock.monotonicMs() + settleMs;
    while (!isSettled(offers.get(service.name)) && runtime.clock.monotonicMs() < until) await sleep(ctx, settleLookMs);
  };

  const startApart = async (
    ctx: Context,
    service: ServiceDefinition,
    start: NonNullable<SystemOptions["ownProcess"]>,
  ): Promise<void> => {
    // Each under a supervisor of its own, so that they drain side by side.
    const watched = supervise({
      name: `${definition.name}/processes`,
      strategy: "one-for-one",
      children: [
        {
          id: service.name,
          restart: "permanent",
          stopWithinMs: definition.limits.drainMs + afterDrainMs,
          start: (childCtx) => start(childCtx, service),
        },
      ],
      onEvent: onSupervisorEvent,
    });
    await watched.start(ctx);
    processes.push(watched);
    watched.done.catch(ended.reject);
  };

  const schedulePurge = (ctx: Context) => {
    purgeTimer = runtime.clock.setTimer(
      () => {
        log
          .purgeRecords(ctx, purge.olderThanMs, purge.limit)
          .catch((error) =>
            notice("warn", `Old records could not be purged: ${error instanceof Error ? error.message : error}`),
          )
          .finally(() => {
            if (!stopping) schedulePurge(ctx);
          });
      },
      purge.everyMs,
      { background: true },
    );
  };

  /** Begun at once with the stop; waited for when its turn comes. */
  let runsHalted: Promise<void> | undefined;
  const haltRuns = (ctx: Context): Promise<void> => {
    runsHalted ??= reactors.stop(within(ctx, definition.limits.drainMs));
    // Not before: where the others will never be there, tasks of runs are given back, which counts once their runs begin nothing more.
    allRegistered.reject(new ViableError("system.stopped", "The system stops."));
    return runsHalted;
  };

  /** Begun at once with the stop, since each takes as long as all else; waited for when its turn comes. */
  let processesEnded: Promise<unknown> | undefined;
  const endProcesses = (ctx: Context): Promise<unknown> => {
    const stopCtx = within(ctx, definition.limits.drainMs + afterDrainMs);
    processesEnded ??= Promise.all(processes.map((each) => each.stop(stopCtx)));
    return processesEnded;
  };

  /** What has been started, to be stopped in reverse order, also when starting fails half way. */
  const started: { name: string; stop(ctx: Context): Promise<void> }[] = [];
  const begin = async (ctx: Context, name: string, part: Part) => {
    await part.start(ctx);
    started.push({ name, stop: (stopCtx) => part.stop(stopCtx) });
  };
  const stopStarted = async (ctx: Context) => {
    for (let part = started.pop(); part !== undefined; part = started.pop()) {
      await part
        .stop(ctx)
        .catch((error) =>
          notice("warn", `${part?.name} did not stop cleanly: ${error instanceof Error ? error.message : error}`),
        );
    }
  };

  return {
    definition,
    runtime,
    log,
    registry,
    executions,
    intake,
    queries,
    reactors,
    capabilities,
    membership,
    swarms,
    health,
    get durabilityNote() {
      return durabilityNote(ports.store);
    },
    done: ended.promise,
    get gatewayUrl() {
      return gateway?.url;
    },
    get ownerToken() {
      if (ownerToken === undefined)
        throw new ViableError("system.not_started", "There is no owner token before the system has started.");
      return ownerToken;
    },
    routes: () => app.described,
    fetch: (request) => app.fetch(request),
    async start(outer) {
      // The system outlives the call that starts it: it ends by `stop`, or when the outer signal aborts.
      const ctx = withContext(rootContext(runtime, { signal: outer.signal }), { signal: life.signal });
      try {
        // Stops last: by it others are told of what the log writes at the end.
        await begin(ctx, "bus", bus);
        await begin(ctx, "log", log);
        for (const { message, next } of ports.store.warnings ?? []) notice("warn", `${message} ${next}`);
        if (news !== undefined) await news.open(ctx, log);
        if (ports.clock !== undefined) await begin(ctx, "clock", ports.clock);
        if (options.secret !== undefined) secret = await openSystemSecret(ctx, log, options.secret);
        if (secret !== undefined) credentialKey = await secretKeyFor(ctx, "credentials");
        // Stops last but for these, so that it seals what the others write while they stop.
        if (sealer !== undefined) await begin(ctx, "sealer", sealer);
        await begin(ctx, "membership", membership);
        await begin(ctx, "singletons", singletons);
        await begin(ctx, "capabilities", capabilities);
        // Where no clients come in nobody needs one.
        if (hosting.roles.includes("gateway")) ownerToken = ensureOwnerToken(ctx, capabilities, ownerToken);
        // Where no clients come in nobody asks them.
        if (hosting.roles.includes("gateway")) await begin(ctx, "coordinations", coordinations);
        await begin(ctx, "registry", registry);
        await begin(ctx, "conflicts", conflicts);
        await begin(ctx, "executions", executions);
        await begin(ctx, "projections", projections);
        // Where no clients come in nobody is answered either.
        if (hosting.roles.includes("gateway")) await begin(ctx, "webhooks", webhooks);
        await begin(ctx, "memory accesses", accesses);
        started.push({ name: "threads", stop: () => threads.stop() });
        await begin(ctx, "intake", intake);
        await begin(ctx, "queries", queries);
        await begin(ctx, "migration watch", migrationWatch);
        await reactors.start(ctx);
        started.push({ name: "reactors", stop: haltRuns });
        await begin(ctx, "schedules", schedules);
        await tree.start(ctx);
        // It looks no more from the first moment of a stop on, and says that the swarms left once they have.
        started.push({ name: "swarm monitor", stop: (stopCtx) => swarmMonitor.stop(stopCtx) });
        // What stops after the swarms has time of its own, however much of theirs they used.
        started.push({ name: "swarms", stop: (stopCtx) => tree.stop(within(stopCtx, definition.limits.drainMs)) });
        started.push({ name: "processes of services", stop: async (stopCtx) => void (await endProcesses(stopCtx)) });
        started.push({
          name: "service listeners",
          stop: async (stopCtx) => void (await Promise.all(closings.map((close) => close(stopCtx)))),
        });
        for (const service of here)
          await (ownProcess !== undefined && apart.includes(service)
            ? startApart(ctx, service, ownProcess)
            : service.singleton
              ? startSingleton(ctx, service)
              : startSwarm(ctx, service));
        allRegistered.resolve();
        await swarmMonitor.start(ctx);
        if (options.gateway !== undefined && hosting.roles.includes("gateway")) {
          const address = { ...options.gateway, name: "gateway" };
          gateway = await listen((request, env) => app.fetch(request, env), address, sockets);
        }
        schedulePurge(ctx);
        running = true;
      } catch (error) {
        const stopCtx = rootContext(runtime);
        haltRuns(stopCtx).catch(() => undefined);
        await stopStarted(stopCtx);
        throw error;
      }
    },
    async stop(outer) {
      // Whoever stops it may go by another clock.
      const leftMs = outer.deadline === undefined ? undefined : outer.deadline - outer.runtime.clock.now();
      const ctx = rootContext(runtime, {
        signal: outer.signal,
        deadline: leftMs === undefined ? undefined : runtime.clock.now() + leftMs,
      });
      running = false;
      stopping = true;
      intake.close();
      purgeTimer?.cancel();
      swarmMonitor.pause();
      metrics.stop();
      const bounded = within(ctx, definition.limits.drainMs + afterDrainMs);
      // Where it is not recorded in time, each is withdrawn when its turn comes.
      if (!ports.store.exclusive) for (const swarm of swarms.values()) swarm.leave(bounded).catch(() => undefined);
      // What comes of it is told when its turn comes.
      haltRuns(bounded).catch(() => undefined);
      endProcesses(bounded).catch(() => undefined);
      // Another process sends on meanwhile, or this one when it is started again.
      webhooks.stop(bounded).catch(() => undefined);
      // Who waits for an outcome is kept while running tasks end; feeds, which never end by themselves, are cut after that.
      const cut = new AbortController();
      const closing = gateway?.close(withContext(bounded, { signal: cut.signal }));
      await stopStarted(bounded);
      cut.abort();
      await closing;
      life.abort(new ViableError("system.stopped", "The system has stopped."));
    },
  };
}

/** Whether it is known who runs it. */
function isSettled(offer: SingletonOffer | undefined): boolean {
  const status = offer?.status();
  return status?.state === "running" || (status?.state === "waiting" && status.holder !== undefined);
}

/** For a task of a process that stops: it ends with its context, and is begun again elsewhere. */
const untilGivenBack = (): Promise<never> => new Promise(() => {});

/** A context that ends `ms` from now at the latest. */
const within = (ctx: Context, ms: number): Context => withContext(ctx, { deadline: ctx.runtime.clock.now() + ms });

/** The token that was kept, if this system's key signed it; a new one where there is none, or it is of another database. */
function ensureOwnerToken(ctx: Context, capabilities: Capabilities, kept: string | undefined): string {
  if (kept !== undefined && capabilities.verify(ctx, kept) !== undefined) return kept;
  return mintOwnerToken(ctx, capabilities).token;
}
