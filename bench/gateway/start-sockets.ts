import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { BenchSession } from "./open-bench-session.ts";
import { openBenchSession } from "./open-bench-session.ts";
import type { SocketPlan } from "./socket-plan.ts";
import { upgradeRequest } from "./socket-plan.ts";

/** Who holds the sockets, and how so many of them are opened there. */
export interface SocketSubject {
  readonly name: string;
  readonly child: Child;
  plan(sockets: number): Promise<SocketPlan>;
  /** The sessions of so many sockets, in order. */
  sessions(sockets: number): readonly string[];
}

/** As many as one session's tokens may open. */
export const socketsOfSession = 100;
/** What a process needs besides its sockets, in file descriptors: its modules, its database, its parent. */
const otherDescriptors = 500;

interface Ports {
  readonly port: number;
  readonly controlPort: number;
}

/** Starts those that hold sockets, and the clients, each in a process of its own; `names` are those that are wanted. */
export async function startSockets(names: readonly string[], maxSockets: number) {
  const mayOpen = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  if (Number(mayOpen) < maxSockets + otherDescriptors) {
    throw new Error(
      `${maxSockets} sockets need as many file descriptors, and ${mayOpen} are allowed: raise ulimit -n.`,
    );
  }
  const stack = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "viable-bench-"));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const start = async (file: string, settings: object = {}) =>
      stack.use(await startChild(new URL(file, import.meta.url), settings, { execArgv: ["--expose-gc"] }));
    const server = stack.use(await startDurable());
    const clients = await start("./socket-clients.ts");
    const viable = await start("./viable-gateway.ts", { stateDir: folder, databaseUrl: await server.createDatabase() });
    const opened: BenchSession[] = [];
    for (let session = 0; session * socketsOfSession < maxSockets; session++)
      opened.push(await openBenchSession(viable));
    const ids = opened.map(({ sessionId }) => sessionId);
    const { controlPort } = await viable.ask<Ports>({ ask: "ready" });
    const sessions = (sockets: number) => ids.slice(0, Math.ceil(sockets / socketsOfSession));
    const planFor =
      (
        ports: Ports,
        way: Pick<SocketPlan, "eventPrefix" | "joinedMark">,
        asked: (session: number, head: string) => Asked,
      ) =>
      async (sockets: number): Promise<SocketPlan> => {
        // Whoever joins is told what there was: what earlier rounds published is nothing of this one's.
        const head = await viable.ask<string>({ ask: "head" });
        return {
          ...ports,
          ...way,
          sockets: Array.from({ length: sockets }, (_, n) => {
            const session = Math.floor(n / socketsOfSession);
            return { hello: [], ...asked(session, head), sessionId: ids[session] as string };
          }),
        };
      };
    const event = '{"type":"event"';
    const own = planFor(
      { port: Number(new URL(opened[0]?.url as string).port), controlPort },
      { eventPrefix: event, joinedMark: '"type":"joined"' },
      (session, head) => ({
        request: upgradeRequest("/v1/socket", {
          Authorization: `Bearer ${opened[session]?.token}`,
          "Sec-WebSocket-Protocol": "viable.v1",
        }),
        hello: [`{"type":"join","sessionId":"${ids[session]}","after":"${head}"}`],
      }),
    );
    const subjects: SocketSubject[] = [{ name: "viable", child: viable, plan: own, sessions }];
    // Of a session of its own: whoever joins is told what there was.
    const sampled = await openBenchSession(viable);
    const sample = { text: await takeSample(viable, sampled), sessionId: sampled.sessionId };
    for (const [name, file, way, asked] of [
      ["limit", "./raw-sockets.ts", { eventPrefix: event, joinedMark: "joined" }, plainly],
      ["ws", "./ws-server.ts", { eventPrefix: event, joinedMark: "joined" }, plainly],
      ["socket.io", "./socket-io-server.ts", { eventPrefix: '42["event"', joinedMark: "joined" }, bySocketIo],
    ] as const) {
      if (!names.includes(name)) continue;
      const child = await start(file, { sample });
      const plan = planFor(await child.ask<Ports>({ ask: "ready" }), way, (session) => asked(ids[session] as string));
      subjects.push({ name, child, plan, sessions });
    }
    return { subjects, clients, sample, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

interface Asked {
  readonly request: string;
  readonly hello?: readonly string[];
}

const plainly = (sessionId: string): Asked => ({ request: upgradeRequest(`/${sessionId}`) });
const bySocketIo = (sessionId: string): Asked => ({
  request: upgradeRequest(`/socket.io/?EIO=4&transport=websocket&session=${sessionId}`),
  hello: ["40"],
});

/** An event as ours sends it: what the others send, too. */
async function takeSample(viable: Child, { url, sessionId, token }: BenchSession): Promise<string> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, ["viable.v1", `bearer.${token}`]);
  const text = new Promise<string>((resolve, reject) => {
    socket.addEventListener("open", () => socket.send(JSON.stringify({ type: "join", sessionId })));
    socket.addEventListener("error", () => reject(new Error("No sample of an event could be taken.")));
    socket.addEventListener("message", ({ data }) => {
      if (String(data).includes('"session.created"')) void viable.ask({ ask: "publishOne", sessionId });
      if (String(data).includes('"export.requested"')) resolve(String(data));
    });
  });
  return await text.finally(() => socket.close());
}
