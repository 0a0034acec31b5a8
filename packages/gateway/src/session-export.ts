import type { Context } from "@viable/kernel";
import { isId, ViableError } from "@viable/kernel";
import type { Log, Position } from "@viable/log";
import { comparePositions, startPosition } from "@viable/log";
import type { EventView, ExecutionView, ExportAccepted, ExportFormat, SessionView } from "@viable/protocol";
import type { Executions } from "@viable/swarm";
import { toExecutionView } from "@viable/swarm";
import { toEventView } from "./event-view.ts";
import { renderCsv, renderJson, renderMarkdown } from "./render-export.ts";
import type { Session } from "./sessions.ts";
import { toSessionView } from "./sessions.ts";

/** How many events and executions are read at once: what a reader at its own pace costs in memory. */
const pageItems = 200;

/** An export that was asked for. */
export interface SessionExport {
  readonly exportId: string;
  readonly sessionId: string;
  readonly format: ExportFormat;
  readonly upTo: Position;
}

/** What a session holds, piece by piece, for whoever writes it down. */
export interface ExportedSession {
  readonly session: SessionView;
  executions(): AsyncIterable<ExecutionView>;
  events(): AsyncIterable<EventView>;
}

/**
 * All that a session holds, in one text. What is kept of an export is that it was asked for, and up to which event: it is made of the log while it is read,
 * at the reader's own pace, whatever its size.
 *
 * Promised: the events are the same whenever it is read. Not promised: that executions are: they are told as they stand then.
 */
export interface SessionExports {
  request(ctx: Context, session: Session, format: ExportFormat): Promise<ExportAccepted>;
  /** Of the context's tenant. */
  find(ctx: Context, exportId: string): Promise<SessionExport | undefined>;
  read(ctx: Context, session: Session, asked: SessionExport): AsyncGenerator<string, void, void>;
}

const renderers: Readonly<Record<ExportFormat, (exported: ExportedSession) => AsyncGenerator<string, void, void>>> = {
  json: renderJson,
  csv: renderCsv,
  markdown: renderMarkdown,
};

export const exportContentTypes: Readonly<Record<ExportFormat, string>> = {
  json: "application/json",
  csv: "text/csv; charset=utf-8; header=present",
  markdown: "text/markdown; charset=utf-8",
};

export function createSessionExports(log: Log, executions: Executions): SessionExports {
  async function* eventsOf(ctx: Context, { sessionId, upTo }: SessionExport): AsyncGenerator<EventView, void, void> {
    const filter = { tenant: ctx.tenant, session: sessionId };
    for (let from = startPosition; ; ) {
      const page = await log.readAllPage(ctx, { from, limit: pageItems, filter, decoding: "lenient" });
      for (const event of page.events) {
        if (comparePositions(event.position, upTo) > 0) return;
        yield toEventView(event);
      }
      const last = page.events.at(-1);
      if (page.isEnd || last === undefined) return;
      from = last.position;
    }
  }
  async function* executionsOf(ctx: Context, session: string): AsyncGenerator<ExecutionView, void, void> {
    for (let before: Position | undefined; ; ) {
      const page = await executions.list(ctx, { limit: pageItems, session, ...(before !== undefined && { before }) });
      yield* page.executions.map(toExecutionView);
      if (page.next === undefined) return;
      before = page.next;
    }
  }

  return {
    async request(ctx, { sessionId }, format) {
      const exportId = ctx.runtime.ids.next("exp");
      const [last] = await log.readAll(ctx, {
        direction: "backward",
        limit: 1,
        filter: { tenant: ctx.tenant, session: sessionId },
        decoding: "none",
      });
      const data = { format, sessionId, upTo: last?.position ?? startPosition, by: ctx.principal };
      const outcome = await log.append(ctx, {
        streams: [
          {
            stream: streamOf(exportId),
            expected: 0,
            events: [{ type: "export.requested", data }],
            session: sessionId,
          },
        ],
      });
      if (outcome.ok) return { exportId, url: `/v1/exports/${exportId}` };
      throw new ViableError("gateway.export_not_recorded", `It could not be recorded: ${outcome.reason}.`, {
        retryable: true,
      });
    },
    async find(ctx, exportId) {
      if (!isId("exp", exportId)) return undefined;
      const [event] = await log.readStream(ctx, streamOf(exportId), { limit: 1 });
      if (event?.metadata.tenant !== ctx.tenant) return undefined;
      const { format, sessionId, upTo } = event.data as unknown as Omit<SessionExport, "exportId">;
      return { exportId, format, sessionId, upTo };
    },
    read: (ctx, session, asked) =>
      renderers[asked.format]({
        session: toSessionView(session, ctx.runtime.clock.now()),
        executions: () => executionsOf(ctx, session.sessionId),
        events: () => eventsOf(ctx, asked),
      }),
  };
}

const streamOf = (exportId: string): string => `export:${exportId}`;
