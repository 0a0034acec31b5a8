import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Bus } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Sockets } from "@viable/gateway";
import type { Runtime } from "@viable/kernel";
import { rootContext } from "@viable/kernel";
import type { Log, Projections } from "@viable/log";
import type { SwarmMeasurement } from "@viable/protocol";
import { swarmView } from "@viable/protocol";
import type { Reactors } from "@viable/reactors";
import type { Violations } from "@viable/security";
import type { AccessCounter, Executions, Swarm } from "@viable/swarm";
import { Gauge, Registry } from "prom-client";

/** How long a scrape waits for the database, in milliseconds. */
const answerWithinMs = 2_000;
/** How fine the event loop's delay is sampled, in milliseconds. */
const loopResolutionMs = 10;

export interface MetricsSources {
  readonly swarms: ReadonlyMap<string, Swarm>;
  readonly log: Log;
  readonly bus: Bus;
  readonly membership: Membership;
  readonly executions: Executions;
  readonly accesses: AccessCounter;
  readonly projections: Projections;
  readonly reactors: Reactors;
  readonly sockets: Pick<Sockets, "stats">;
  readonly violations: Pick<Violations, "stats">;
  readonly runtime: Runtime;
}

/** Prometheus text, read from the parts' own counters at the moment of the scrape: nothing is kept twice. */
export interface Metrics {
  all(): Promise<string>;
  of(service: string): Promise<string>;
  /** Ends the sampling of the event loop. */
  stop(): void;
}

const swarmGauges: Readonly<Record<string, { help: string; read(measurement: SwarmMeasurement): number }>> = {
  viable_swarm_workers: { help: "Workers of the swarm.", read: (m) => m.workers },
  viable_swarm_running: { help: "Tasks under way.", read: (m) => m.running },
  viable_swarm_queued: { help: "Tasks that wait for a worker.", read: (m) => m.queued },
  viable_swarm_completed_total: { help: "Tasks completed since the health monitor started.", read: (m) => m.completed },
  viable_swarm_failed_total: { help: "Tasks failed since the health monitor started.", read: (m) => m.failed },
  viable_swarm_latency_seconds: {
    help: "Mean time a task takes, weighted to the last twenty.",
    read: (m) => m.latencyMs / 1_000,
  },
};

export function createMetrics(sources: MetricsSources): Metrics {
  const { swarms, log, bus, membership, executions, accesses, projections, reactors, sockets, violations, runtime } =
    sources;
  const loopDelay = monitorEventLoopDelay({ resolution: loopResolutionMs });
  loopDelay.enable();
  const addSwarms = (registry: Registry, services: readonly string[]) => {
    const status = new Gauge({
      name: "viable_swarm_status",
      help: "1 for the status that the swarm has.",
      labelNames: ["service", "status"],
      registers: [registry],
    });
    const utilisation = new Gauge({
      name: "viable_swarm_utilisation_ratio",
      help: "Workers that have a task, of all that there are; absent where there is none.",
      labelNames: ["service"],
      registers: [registry],
    });
    for (const service of services) {
      const view = swarms.get(service)?.status();
      if (view === undefined) continue;
      for (const each of swarmView.shape.status.options)
        status.set({ service, status: each }, each === view.status ? 1 : 0);
      const { running, workers } = view.measurement;
      if (workers > 0) utilisation.set({ service }, running / workers);
    }
    for (const [name, { help, read }] of Object.entries(swarmGauges)) {
      const gauge = new Gauge({ name, help, labelNames: ["service"], registers: [registry] });
      for (const service of services) {
        const swarm = swarms.get(service);
        if (swarm !== undefined) gauge.set({ service }, read(swarm.measure()));
      }
    }
  };
  /** Of projections it is the database that knows; while it is away they are left out. */
  const addProjections = async (registry: Registry) => {
    const ctx = rootContext(runtime, { deadline: runtime.clock.now() + answerWithinMs });
    // Those of another version are kept by other releases, if by anybody.
    const all = (await projections.status(ctx).catch(() => [])).filter(({ isKept }) => isKept);
    if (all.length === 0) return;
    const labelNames = ["projection", "generation"] as const;
    const lag = new Gauge({
      name: "viable_projection_lag_events",
      help: "Events of the log that a projection has not looked at.",
      labelNames,
      registers: [registry],
    });
    const parked = new Gauge({
      name: "viable_projection_parked",
      help: "1 while it stands still before an event that it cannot do.",
      labelNames,
      registers: [registry],
    });
    for (const each of all) {
      const labels = { projection: each.name, generation: String(each.generation) };
      lag.set(labels, each.lagEvents);
      parked.set(labels, each.parked === undefined ? 0 : 1);
    }
  };
  const addPools = (registry: Registry, pools: ReturnType<Reactors["stats"]>["pools"]) => {
    if (Object.keys(pools).length === 0) return;
    const gauge = (name: string, help: string) =>
      new Gauge({ name, help, labelNames: ["pool"], registers: [registry] });
    const size = gauge("viable_reactor_pool_size", "Steps of the pool that may run at the same time in this process.");
    const used = gauge("viable_reactor_pool_used", "Steps of the pool that run.");
    const queued = gauge("viable_reactor_pool_waiting", "Steps that wait for a place in the pool.");
    for (const [pool, stats] of Object.entries(pools)) {
      size.set({ pool }, stats.size);
      used.set({ pool }, stats.used);
      queued.set({ pool }, stats.waiting);
    }
  };
  return {
    async all() {
      const registry = new Registry();
      await addProjections(registry);
      addSwarms(registry, [...swarms.keys()]);
      const stats = log.stats();
      const set = (name: string, help: string, value: number) =>
        new Gauge({ name, help, registers: [registry] }).set(value);
      set("viable_executions_open", "Executions without an outcome.", executions.openCount());
      const runs = reactors.stats();
      set("viable_runs_open", "Runs of reactors without an outcome, in any process.", runs.open);
      set("viable_runs_active", "Runs that this process carries on at present.", runs.active);
      set("viable_runs_resting", "Runs that this process holds while nothing of them goes on.", runs.resting);
      set("viable_runs_waiting", "Runs that wait to be read, to be carried on here.", runs.waiting);
      addPools(registry, runs.pools);
      set("viable_log_waiting_appends", "Appends that wait for a flush.", stats.waitingAppends);
      set("viable_log_flushes_total", "Flushes since the start.", stats.flushes);
      set("viable_log_events_total", "Events appended by this process since the start.", stats.appendedEvents);
      set("viable_log_flush_seconds", "Mean time a flush takes, weighted to the last twenty.", stats.flushMs / 1_000);
      set(
        "viable_log_unread_events",
        "Events known to be in the log that this process has not read.",
        stats.unreadEvents,
      );
      set(
        "viable_log_read_failing",
        "1 while what is new in the log cannot be read.",
        stats.readFailure === undefined ? 0 : 1,
      );
      const { connected, published, delivered, dropped, handlerErrors, malformed } = bus.stats();
      set("viable_bus_published_total", "Messages published by this process since the start.", published);
      set("viable_bus_delivered_total", "Messages handed to a handler since the start.", delivered);
      set("viable_bus_dropped_total", "Messages dropped since the start, because a queue was full.", dropped);
      set(
        "viable_bus_malformed_total",
        "Messages dropped since the start, because they are not of this bus's form.",
        malformed,
      );
      set("viable_bus_connected", "Whether the bus is connected: 1 or 0.", Number(connected));
      set("viable_bus_handler_errors_total", "Messages that a handler failed at since the start.", handlerErrors);
      const { open, sessions, refused, slow } = sockets.stats();
      set("viable_gateway_sockets", "WebSockets that are open.", open);
      set("viable_gateway_socket_sessions", "Sessions whose events are followed for them.", sessions);
      set("viable_gateway_sockets_refused_total", "WebSockets not opened since the start, for want of room.", refused);
      set("viable_gateway_sockets_slow_total", "WebSockets cut since the start, for taking nothing.", slow);
      const { waitingEntries, earlyBatches, uncounted, lost } = accesses.stats();
      set("viable_memory_waiting_entries", "Memory entries with reads that are not written down yet.", waitingEntries);
      set(
        "viable_memory_early_batches_total",
        "Batches of reads written before their time since the start, because many entries waited.",
        earlyBatches,
      );
      set("viable_memory_uncounted_reads_total", "Reads not counted since the start, for want of room.", uncounted);
      set(
        "viable_memory_lost_reads_total",
        "Reads given up since the start, since they may have been written and none may count twice.",
        lost,
      );
      const { violations: denials, alarms } = violations.stats();
      set("viable_security_violations_total", "Requests refused for want of authority since the start.", denials);
      set("viable_security_alarms_total", "Principals announced since the start, for refusals that repeat.", alarms);
      const members = membership.members();
      const late = members.filter(({ state }) => state === "late").length;
      set("viable_cluster_members", "Processes on this log that are not gone, this one included.", members.length);
      set("viable_cluster_late_members", "Of these, processes whose renewal is overdue.", late);
      set("viable_cluster_epoch", "Epoch of this process's lease; it grows when a lease was lost.", membership.epoch);
      // The histogram holds whole intervals between samples; what is above the resolution is delay.
      const lateMs = Math.max(0, loopDelay.percentile(99) / 1e6 - loopResolutionMs);
      set("viable_event_loop_delay_p99_seconds", "99th percentile of how late timers fire.", lateMs / 1_000);
      set("process_resident_memory_bytes", "Resident memory of the process.", process.memoryUsage.rss());
      return registry.metrics();
    },
    stop: () => loopDelay.disable(),
    of(service) {
      const registry = new Registry();
      addSwarms(registry, [service]);
      return registry.metrics();
    },
  };
}
