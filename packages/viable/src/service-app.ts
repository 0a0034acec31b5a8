import type { Swarm } from "@viable/swarm";
import { Hono } from "hono";

/** What a service answers on its own port, to anybody on this machine: its health, whether it takes work, and its metrics. */
export function serviceApp(service: string, swarm: () => Swarm | undefined, metrics: () => Promise<string>): Hono {
  const app = new Hono();
  app.get("/health", (c) => {
    const status = swarm()?.status();
    if (status === undefined) return c.json({ service, status: "starting" }, 503);
    return c.json({ service, status: status.status, reasons: status.reasons, measurement: status.measurement });
  });
  app.get("/ready", (c) => {
    const ready = swarm()?.hasRoom === true;
    return c.json({ ready }, ready ? 200 : 503);
  });
  app.get("/metrics", async (c) =>
    c.text(await metrics(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
  return app;
}
