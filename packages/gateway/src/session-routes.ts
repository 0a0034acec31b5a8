import type { Runtime } from "@viable/kernel";
import { confirmation, joinSession, requestCoordination, requestExport, shareSession } from "@viable/protocol";
import type { Context } from "hono";
import type { Coordinations } from "./coordinations.ts";
import { gatewayRoutes } from "./openapi/gateway-routes.ts";
import type { Mount } from "./openapi/route.ts";
import { HttpProblem, notFound, unauthenticated } from "./problems.ts";
import type { Authenticated, Receive } from "./receive.ts";
import { parseBody } from "./receive.ts";
import { clientIn } from "./session-client.ts";
import type { SessionExports } from "./session-export.ts";
import { exportContentTypes } from "./session-export.ts";
import { toSessionView } from "./sessions.ts";
import type { Shares } from "./shares.ts";
import type { ReadScope } from "./view.ts";

/** How a request is read, whatever its route. */
export interface RequestReader {
  who(c: Context): Promise<Authenticated>;
  /** Who shows this token, which stands in the body and not in a header. */
  whoShows(c: Context, token: string): Promise<Authenticated>;
  reader(c: Context, subject: string, scope: ReadScope): Promise<Authenticated>;
  body(c: Context): Promise<unknown>;
  /** Of who has shown no token yet: less of it is read. */
  openBody(c: Context): Promise<unknown>;
  idempotencyKey(c: Context): string | undefined;
}

export interface SessionRoutesSettings {
  readonly runtime: Runtime;
  readonly receive: Receive;
  readonly shares: Shares;
  readonly coordinations: Coordinations;
  readonly exports: SessionExports;
}

/** What clients of one session do together: share it, join it, decide on something, and take it with them. */
export function addSessionRoutes(
  mount: Mount,
  { who, whoShows, reader, body, openBody, idempotencyKey }: RequestReader,
  { runtime, receive, shares, coordinations, exports }: SessionRoutesSettings,
): void {
  mount(gatewayRoutes.join, async (c) => {
    const { token } = parseBody(joinSession, await openBody(c), "join");
    const joiner = await whoShows(c, token);
    const { sessionId } = joiner.grant;
    if (sessionId === undefined) throw notAShare();
    const session = await receive.session(joiner, sessionId);
    receive.spend(joiner);
    const joined = await shares.join(joiner.ctx, joiner, session);
    if (joined === undefined) throw notAShare();
    return c.json(joined);
  });

  mount(gatewayRoutes.suspendSession, async (c) => {
    const caller = await who(c);
    const session = await receive.suspendSession(caller, c.req.param("id"), await body(c));
    return c.json(toSessionView(session, runtime.clock.now()));
  });
  mount(gatewayRoutes.resumeSession, async (c) => {
    const caller = await who(c);
    return c.json(toSessionView(await receive.resumeSession(caller, c.req.param("id")), runtime.clock.now()));
  });

  mount(gatewayRoutes.share, async (c) => {
    const caller = await who(c);
    const session = await receive.openSession(caller, c.req.param("id"));
    receive.mayDo(caller, session, "Sharing the session", "session.share");
    const request = parseBody(shareSession, await body(c), "share");
    receive.spend(caller);
    const sharing = await shares.share(caller, session, request, idempotencyKey(c));
    if (sharing.ok) return c.json(sharing.shared, 201);
    throw new HttpProblem({
      status: 422,
      code: "gateway.idempotency_mismatch",
      detail: "This idempotency key was used for another share.",
    });
  });

  mount(gatewayRoutes.coordinate, async (c) => {
    const caller = await who(c);
    const session = await receive.openSession(caller, c.req.param("id"));
    receive.mayDo(caller, session, "Asking the session's clients", "coordination.request");
    const request = parseBody(requestCoordination, await body(c), "coordination");
    receive.spend(caller);
    const by = { grant: caller.grant, client: clientIn(session, caller.grant) };
    const asked = await coordinations.request(caller.ctx, session.sessionId, by, request);
    return c.json(asked, 202, { location: `/v1/coordinations/${asked.coordinationId}` });
  });
  mount(gatewayRoutes.coordination, async (c) => {
    const { ctx, grant } = await reader(c, "coordination", "session");
    const asked = await coordinations.find(ctx, grant, c.req.param("id"));
    if (asked === undefined) throw notFound("coordination");
    return c.json(asked);
  });
  mount(gatewayRoutes.confirm, async (c) => {
    const caller = await who(c);
    const word = parseBody(confirmation, await body(c), "confirmation");
    return c.json(await receive.confirm(caller, c.req.param("id"), word));
  });

  mount(gatewayRoutes.requestExport, async (c) => {
    const caller = await reader(c, "export", "session");
    const session = await receive.session(caller, c.req.param("id"));
    const { format } = parseBody(requestExport, await body(c), "export");
    receive.spend(caller);
    const accepted = await exports.request(caller.ctx, session, format);
    return c.json(accepted, 202, { location: accepted.url });
  });
  mount(gatewayRoutes.readExport, async (c) => {
    const caller = await reader(c, "export", "session");
    const asked = await exports.find(caller.ctx, c.req.param("id"));
    if (asked === undefined) throw notFound("export");
    const session = await receive.session(caller, asked.sessionId);
    const encoder = new TextEncoder();
    const text = exports.read(caller.ctx, session, asked);
    // Read only as fast as the client reads, and no further once it has gone.
    const stream = ReadableStream.from(text).pipeThrough(
      new TransformStream<string, Uint8Array>({ transform: (chunk, out) => out.enqueue(encoder.encode(chunk)) }),
    );
    const extension = asked.format === "markdown" ? "md" : asked.format;
    return c.body(stream, 200, {
      "content-type": exportContentTypes[asked.format],
      "content-disposition": `attachment; filename="${asked.sessionId}.${extension}"`,
    });
  });
}

const notAShare = (): HttpProblem => {
  const { parts } = unauthenticated();
  return new HttpProblem({ ...parts, detail: "That is no share of an open session." });
};
