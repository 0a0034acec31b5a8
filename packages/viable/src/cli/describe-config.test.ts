// Proves what is told of where tasks may go: of each service what it is found by, and of each rule whom it is for and what it says.
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "../index.ts";
import { describeConfig, renderConfig } from "./describe-config.ts";
import type { Shell } from "./shell.ts";

const settings = { stateDir: "/state", cacheDir: "/cache", host: "127.0.0.1", port: 4100, servicePorts: "declared" };

test("services are told with version, tags and tenants, and rules with what they are for and say", () => {
  const worker = agent({
    name: "worker",
    capability: "work",
    description: "Works.",
    input: z.strictObject({}),
    handle: () => null,
  });
  const known = { description: "Works.", port: 0, agents: [worker] };
  const definition = defineSystem({
    name: "told",
    services: [
      service({ ...known, name: "old", version: "1.4.0", tags: ["cpu"], tenants: ["acme"] }),
      service({ ...known, name: "new", subsystem: "ai" }),
    ],
    routing: [
      { name: "canary", when: { tenant: "acme" }, policy: "weighted", weights: { old: 90, new: 10 } },
      { name: "frozen", when: { tenant: "other" }, refuse: "Not before Monday." },
      { name: "rest", to: { service: ["old", "new"], version: "^1", tags: ["cpu"] } },
    ],
  });
  const shown = describeConfig("viable.config.ts", definition, settings as never, {});
  expect(shown.services).toMatchObject([
    { name: "old", version: "1.4.0", tags: ["cpu"], tenants: ["acme"], maxConcurrentDelegations: 100 },
    { name: "new", version: "0.0.0", tags: [], subsystem: "ai" },
  ]);
  const out = { isTTY: false, columns: 200, write: () => true };
  const text = renderConfig({ out } as unknown as Shell, shown);
  for (const row of [
    /ROUTING RULE +CAPABILITIES +TENANTS +TO +POLICY/,
    /canary +work +acme +whoever offers it +weighted: old 90, new 10/,
    /frozen +work +other +nobody: Not before Monday\./,
    /rest +work +all +old or new, version \^1, tags cpu +least-loaded/,
  ])
    expect(text).toMatch(row);
});
