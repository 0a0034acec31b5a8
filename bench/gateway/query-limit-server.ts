// The subject `limit` of queries: a bare Hono route that looks its token up, reads the question and answers it.
import { answerParent } from "../harness/child.ts";
import { importSameCopy } from "../harness/same-copy.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { listenOnHono } from "./listen-on-hono.ts";

interface HonoContext {
  readonly req: {
    header(name: string): string | undefined;
    param(name: string): string;
    json(): Promise<{ query: string; args: { n: number } }>;
  };
  json(body: object, status?: number): Response;
}
interface HonoModule {
  readonly Hono: new () => {
    post(path: string, handle: (c: HonoContext) => Promise<Response>): void;
    fetch(request: Request, env: object): Response | Promise<Response>;
  };
}

const { Hono } = await importSameCopy<HonoModule>("@viable/gateway", "hono");
const sessionId = "ses_00000000000000000000000001";
/** As long as one of ours is. */
const token = `vbl_${"t".repeat(600)}`;
/** Whose session a token opens. */
const sessions = new Map([[token, sessionId]]);

const app = new Hono();
app.post("/v1/sessions/:id/queries", async (c) => {
  const header = c.req.header("authorization");
  const opened = header?.startsWith("Bearer ") === true ? sessions.get(header.slice("Bearer ".length)) : undefined;
  if (opened === undefined) return c.json({ code: "unauthenticated" }, 401);
  if (opened !== c.req.param("id")) return c.json({ code: "not_found" }, 404);
  const { query, args } = await c.req.json();
  if (query !== "next.ask" || typeof args.n !== "number") return c.json({ code: "invalid" }, 422);
  return c.json({
    query,
    result: { n: args.n },
    answeredBy: { service: "bench", processId: "prc_00000000000000000000000001" },
  });
});
const url = await listenOnHono((request, env) => app.fetch(request, env));

answerParent({ ready: () => ({ url, sessionId, token }), ...watchProcess() });
