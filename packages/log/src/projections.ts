import type { Context, ErrorOnTheWire, JsonValue, Part, Timer } from "@viable/kernel";
import { rootContext, sleep, toWire, ViableError, waitFor, withContext } from "@viable/kernel";
import type { Position } from "./events.ts";
import { comparePositions, isPosition, startPosition } from "./events.ts";
import type { AppendRequest, Log } from "./log.ts";
import type { Parked, Projection, ProjectionTarget } from "./projection.ts";
import { checkProjections, projectionTarget } from "./projection.ts";
import { projectionStream } from "./projection-events.ts";
import type { Generation, Generations } from "./projection-generations.ts";
import { caughtUp, dropped, liveOf, lost, rebuilt, withVersion } from "./projection-generations.ts";
import type { Kept } from "./projection-records.ts";
import { generationsKey, progressKey, readGenerations, readProgress } from "./projection-records.ts";
import { areTablesGone, asViableError, lagBetween, ProjectionRun } from "./projection-run.ts";

/** How long what a retired generation kept stays, in milliseconds: whoever was just told where to read has read it by then. */
const retiredMs = 60_000;
/** How often a change of generations is decided anew because another process was faster: each of them wants the same. */
const maxDecisions = 20;
/** How many records are taken away at once. */
const dropPage = 1_000;
/** How often whoever waits for a projection looks how far it is, in milliseconds. */
const lookMs = 20;

/** What is known of a generation. */
export interface ProjectionStatus {
  readonly name: string;
  readonly version: number;
  readonly generation: number;
  /** Whether it is the one to read, is being built to become that, or is to be taken away. */
  readonly state: Generation["state"];
  /** Whether this release keeps it. One of another version belongs to another release, which may not run any more. */
  readonly isKept: boolean;
  readonly position: Position;
  /** How many events of the log it has not looked at, whether they concern it or not. */
  readonly lagEvents: number;
  readonly parked?: Parked;
  /** Why it cannot go on in this process at present, where that may pass. */
  readonly failure?: ErrorOnTheWire;
}

/**
 * Keeps projections up to date, and says where to read them. Each process that has a projection takes part: one keeps a generation, the
 * others stand by.
 *
 * Not promised: that what is read is as new as the log (`untilCaughtUp` waits for that); that tenants are kept apart in what a projection
 * keeps: its author does that.
 */
export interface Projections extends Part {
  /** Where to read a projection; undefined while its version is built for the first time. */
  target(name: string): ProjectionTarget | undefined;
  /** Waits until a projection has done all that is in the log now; rejects (`log.projection_parked`) where it stands still before that. */
  untilCaughtUp(ctx: Context, name: string): Promise<ProjectionTarget>;
  status(ctx: Context): Promise<readonly ProjectionStatus[]>;
  /**
   * Begins another generation beside what is there; it takes its place when it has caught up. Answers its number. Rejects for a reaction
   * (`log.not_rebuildable`).
   */
  rebuild(ctx: Context, name: string): Promise<number>;
  /** Lets a generation that stands still go on without the event it stands before. Rejects (`log.not_parked`) where it does not stand there. */
  skip(ctx: Context, name: string, position: Position, reason: string): Promise<void>;
}

interface Kind {
  readonly projection: Projection;
  generations: Kept<Generations>;
  readonly runs: Map<number, ProjectionRun>;
  /** Why what a retired generation kept could not be taken away, by generation. */
  readonly undropped: Map<number, ViableError>;
}

export function createProjections(log: Log, projections: readonly Projection[]): Projections {
  const kinds = new Map<string, Kind>();
  checkProjections(projections);
  for (const projection of projections) {
    kinds.set(projection.name, {
      projection,
      generations: { value: [], version: 0 },
      runs: new Map(),
      undropped: new Map(),
    });
  }
  let life: Context | undefined;
  let ending = new AbortController();
  let stopWatching: () => void = () => {};
  let dropTimer: Timer | undefined;
  let dropping: Promise<void> | undefined;

  const kindOf = (name: string): Kind => {
    const kind = kinds.get(name);
    if (kind !== undefined) return kind;
    throw new ViableError("log.unknown_projection", `There is no projection "${name}".`, {
      next: `There are ${[...kinds.keys()].join(", ") || "none"}.`,
    });
  };

  /** Decides on the generations as they are, and writes what comes of it with whatever belongs to it. */
  const decide = async (
    ctx: Context,
    kind: Kind,
    change: (generations: Generations) => Generations,
    alongside: (after: Generations) => AppendRequest = () => ({}),
  ): Promise<void> => {
    const { name } = kind.projection;
    for (let tries = 0; tries < maxDecisions; tries++) {
      const { value, version } = await readGenerations(ctx, log, name);
      const after = change(value);
      if (after === value) {
        take(kind, value, version);
        return;
      }
      const { records = [], ...rest } = alongside(after);
      const own = { key: generationsKey(name), value: after as unknown as JsonValue, expected: version };
      const outcome = await log.append(ctx, { ...rest, records: [own, ...records] });
      if (outcome.ok) {
        take(kind, after, outcome.recordVersions[0] ?? 0);
        return;
      }
      if (outcome.reason === "overloaded") await sleep(ctx, outcome.retryAfterMs);
      else if (outcome.reason === "row_refused")
        throw new ViableError("log.projection_failed", `${name}: ${outcome.message}`, {
          details: { write: outcome.write },
        });
    }
    throw new ViableError("log.projection_contended", `${name}: ${maxDecisions} decisions in a row were overtaken.`, {
      retryable: true,
    });
  };

  /** Takes in what the generations are now: runs those that this process can keep, and no others. */
  const take = (kind: Kind, value: Generations, version: number): void => {
    if (version < kind.generations.version || life === undefined) return;
    kind.generations = { value, version };
    const wanted = value.filter((each) => each.version === kind.projection.version && each.state !== "retired");
    for (const [generation, run] of kind.runs) {
      if (wanted.some((each) => each.generation === generation)) continue;
      kind.runs.delete(generation);
      // It ends by itself, sooner or later.
      void run.stop(life).catch(() => undefined);
    }
    for (const { generation } of wanted) {
      if (!kind.runs.has(generation)) kind.runs.set(generation, run(life, kind, generation));
    }
  };

  const run = (ctx: Context, kind: Kind, generation: number): ProjectionRun => {
    const { projection } = kind;
    const target = projectionTarget(projection.name, projection.version, generation);
    const started = new ProjectionRun(log, ctx, projection, target, {
      onWentBack: () => {
        // What is there now counts, also where it is of a lower version.
        kind.generations = { ...kind.generations, version: 0 };
        return decide(ctx, kind, (generations) =>
          withVersion(generations, projection.version, ctx.runtime.clock.now()),
        );
      },
      onCaughtUp: () =>
        decide(
          ctx,
          kind,
          (generations) => caughtUp(generations, generation, ctx.runtime.clock.now()),
          () => told(projection.name, "projection.switched", { generation, version: projection.version }),
        ),
      onLost: () => decide(ctx, kind, (generations) => lost(generations, generation, ctx.runtime.clock.now())),
    });
    started.start();
    return started;
  };

  /** Takes away what retired generations have kept, when nobody reads it any more. One that cannot be keeps no other from it. */
  const dropRetired = async (ctx: Context): Promise<void> => {
    for (const kind of kinds.values()) {
      for (const { generation, version, state, since } of kind.generations.value) {
        if (state !== "retired" || version !== kind.projection.version) continue;
        if (ctx.runtime.clock.now() - since < retiredMs) continue;
        try {
          await drop(ctx, kind, generation);
          kind.undropped.delete(generation);
        } catch (error) {
          if (ctx.signal.aborted) return;
          kind.undropped.set(generation, asViableError(error));
        }
      }
    }
  };
  const drop = async (ctx: Context, kind: Kind, generation: number): Promise<void> => {
    const { projection } = kind;
    const target = projectionTarget(projection.name, projection.version, generation);
    await deleteRecords(ctx, log, target.prefix);
    await deleteRecords(ctx, log, `projections/${projection.name}/${generation}/`);
    // Of one that was lost there is nothing left to drop, and what drops it would be refused for ever.
    const writes = (await areTablesGone(ctx, log, projection, target)) ? [] : (projection.drop?.(target) ?? []);
    await decide(
      ctx,
      kind,
      (generations) => dropped(generations, generation),
      () => ({ with: writes }),
    );
  };
  const scheduleDrop = (ctx: Context): void => {
    dropTimer = ctx.runtime.clock.setTimer(
      () => {
        // What fails is tried again in a minute; it only takes room until then.
        dropping = dropRetired(ctx).finally(() => {
          if (life !== undefined) scheduleDrop(ctx);
        });
      },
      retiredMs,
      { background: true },
    );
  };

  const positionOf = async (ctx: Context, kind: Kind, generation: number) => {
    const here = kind.runs.get(generation);
    const kept = await readProgress(ctx, log, kind.projection.name, generation);
    const [seen, written] = [here?.position ?? startPosition, kept?.value.position ?? startPosition];
    return { position: comparePositions(seen, written) > 0 ? seen : written, parked: kept?.value.parked };
  };

  const begin = async (ctx: Context): Promise<void> => {
    for (const kind of kinds.values()) {
      const { version } = kind.projection;
      await decide(ctx, kind, (generations) => withVersion(generations, version, ctx.runtime.clock.now()));
    }
    stopWatching = await log.watchRecords(ctx, "projections/", ({ key, value, version }) => {
      const kind = kinds.get(key.slice("projections/".length));
      if (kind !== undefined && value !== null) take(kind, value as unknown as Generations, version);
    });
    scheduleDrop(ctx);
  };
  const stop = async (ctx: Context): Promise<void> => {
    life = undefined;
    stopWatching();
    dropTimer?.cancel();
    ending.abort();
    const runs = [...kinds.values()].flatMap((kind) => [...kind.runs.values()]);
    for (const kind of kinds.values()) kind.runs.clear();
    await waitFor(ctx, Promise.all([dropping, ...runs.map((each) => each.stop(ctx))]));
  };

  return {
    async start(ctx) {
      if (kinds.size === 0) return;
      ending = new AbortController();
      life = withContext(rootContext(ctx.runtime, { principal: "projections", signal: ctx.signal }), {
        signal: ending.signal,
      });
      try {
        await begin(life);
      } catch (error) {
        await stop(ctx).catch(() => undefined);
        throw error;
      }
    },
    stop,
    target(name) {
      const kind = kindOf(name);
      const { version } = kind.projection;
      const live = liveOf(kind.generations.value, version);
      return live && projectionTarget(name, version, live.generation);
    },
    async untilCaughtUp(ctx, name) {
      const kind = kindOf(name);
      const head = await log.head(ctx);
      for (;;) {
        const live = liveOf(kind.generations.value, kind.projection.version);
        const awaited = live ?? kind.generations.value.findLast((each) => each.version === kind.projection.version);
        if (awaited !== undefined) {
          const { position, parked } = await positionOf(ctx, kind, awaited.generation);
          if (parked !== undefined) throw standsStill(name, parked);
          if (live !== undefined && (await isNothingBetween(ctx, log, kind.projection, position, head)))
            return projectionTarget(name, live.version, live.generation);
        }
        await sleep(ctx, lookMs);
      }
    },
    async status(ctx) {
      const head = await log.head(ctx);
      const all: ProjectionStatus[] = [];
      for (const [name, kind] of kinds) {
        for (const { generation, version, state } of (await readGenerations(ctx, log, name)).value) {
          const { position, parked } = await positionOf(ctx, kind, generation);
          const failure = kind.runs.get(generation)?.failure ?? kind.undropped.get(generation);
          all.push({
            name,
            version,
            generation,
            state,
            isKept: version === kind.projection.version,
            position,
            lagEvents: lagBetween(position, head),
            ...(parked !== undefined && { parked }),
            ...(failure !== undefined && { failure: toWire(failure) }),
          });
        }
      }
      return all;
    },
    async rebuild(ctx, name) {
      const kind = kindOf(name);
      const { version, isReaction } = kind.projection;
      if (isReaction) throw notRebuildable(name);
      let building = 0;
      await decide(
        ctx,
        kind,
        (generations) => {
          const after = rebuilt(generations, version, ctx.runtime.clock.now());
          building = after.findLast((each) => each.version === version && each.state === "building")?.generation ?? 0;
          return after;
        },
        () => told(name, "projection.rebuild_begun", { generation: building, version, by: ctx.principal }),
      );
      return building;
    },
    async skip(ctx, name, position, reason) {
      kindOf(name);
      if (!isPosition(position)) throw notParked(name, position);
      for (const { generation, version } of (await readGenerations(ctx, log, name)).value) {
        const progress = await readProgress(ctx, log, name, generation);
        const parked = progress?.value.parked;
        if (progress === undefined || parked?.position !== position) continue;
        const skipped = { generation, version, position, type: parked.type, by: ctx.principal, reason };
        const outcome = await log.append(ctx, {
          records: [{ key: progressKey(name, generation), value: { position }, expected: progress.version }],
          ...told(name, "projection.event_skipped", skipped),
        });
        if (outcome.ok) return;
        if (outcome.reason === "overloaded")
          throw new ViableError("log.overloaded", "The log is overloaded; nothing was skipped.", { retryable: true });
      }
      throw notParked(name, position);
    },
  };
}

/** Whether no event that concerns a projection lies after a position and up to another. */
async function isNothingBetween(
  ctx: Context,
  log: Log,
  { filter }: Projection,
  position: Position,
  head: Position,
): Promise<boolean> {
  if (comparePositions(position, head) >= 0) return true;
  const query = { from: position, limit: 1, decoding: "none" as const, ...(filter !== undefined && { filter }) };
  const [next] = await log.readAll(ctx, query);
  return next === undefined || comparePositions(next.position, head) > 0;
}

const told = (name: string, type: string, data: Record<string, JsonValue>): AppendRequest => ({
  streams: [{ stream: projectionStream(name), expected: "any", events: [{ type, data }] }],
});

async function deleteRecords(ctx: Context, log: Log, prefix: string): Promise<void> {
  for (;;) {
    const page = await log.listRecords(ctx, prefix, { limit: dropPage });
    if (page.records.length === 0) return;
    const records = page.records.map(({ key }) => ({ key, value: null, expected: "any" as const }));
    const outcome = await log.append(ctx, { records });
    if (!outcome.ok && outcome.reason === "overloaded") await sleep(ctx, outcome.retryAfterMs);
  }
}

const notRebuildable = (name: string): ViableError =>
  new ViableError("log.not_rebuildable", `${name} is a reaction: what it has done cannot be done anew.`, {
    next: "Give a reaction of another name where something is to be done for past events.",
  });

const notParked = (name: string, position: Position): ViableError =>
  new ViableError("log.not_parked", `Projection ${name} does not stand still before position ${position}.`, {
    next: "Look where it stands: `viable projections list`.",
  });

const standsStill = (name: string, parked: Parked): ViableError =>
  new ViableError(
    "log.projection_parked",
    `Projection ${name} stands still before event ${parked.position} (${parked.type}): ${parked.message}`,
    {
      next: `Mend it, or let it go on without the event: \`viable projections skip ${name} ${parked.position} --reason "…"\`.`,
      details: { position: parked.position, type: parked.type, code: parked.code },
    },
  );
