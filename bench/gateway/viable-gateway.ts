// The subject `viable`: a system as its command line starts it, in a process of its own, which is asked, commanded and listened to.
import { createRuntime, rootContext } from "@viable/kernel";
import { openSystem } from "viable/run";
import type { EventSample } from "../command/two-events.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { useOfMemory } from "../reactors/memory-use.ts";
import { gatewaySystem } from "./gateway-system.ts";
import { paceEvents } from "./paced-events.ts";

const settings = readSettings<{ stateDir: string; databaseUrl: string | undefined }>();
const ctx = rootContext(createRuntime());
const opened = await openSystem(ctx, gatewaySystem, {
  ...settings,
  host: "127.0.0.1",
  port: 0,
  threads: undefined,
  servicePorts: "any",
});

process.once("SIGTERM", async () => {
  await opened.close(ctx);
  process.exit();
});

/** An event that a session is told, and that nothing else comes of. */
const { controlPort, publish, publishOne } = await paceEvents((sessionId, n) => {
  const data = { format: "json", sessionId, upTo: String(n), by: "what a session is told of".padEnd(100, ".") };
  return opened.system.log.append(ctx, {
    streams: [
      {
        // One of its own, as each execution has: what goes to one stream is written one after the other.
        stream: `export:${n}`,
        expected: "any",
        events: [{ type: "export.requested", data }],
        session: sessionId,
      },
    ],
  });
});

answerParent({
  ready: () => ({ url: opened.system.gatewayUrl, token: opened.system.ownerToken, controlPort }),
  publish,
  head: () => opened.system.log.head(ctx),
  publishOne: async (question: { sessionId: string }) => (await publishOne(question)) !== undefined,
  memory: () => useOfMemory(),
  sample: async ({ executionId }: { executionId: string }): Promise<EventSample[]> => {
    const stored = await opened.system.log.readStream(ctx, `execution:${executionId}`);
    return stored.map(({ stream, type, data, metadata: { tenant, session, correlation, ...rest } }) => ({
      streamPrefix: stream.slice(0, stream.indexOf(":") + 1),
      type,
      data: JSON.stringify(data),
      metadata: JSON.stringify(rest),
      tenant,
      session: session ?? null,
      correlated: correlation !== undefined,
    }));
  },
  ...watchProcess(),
});
