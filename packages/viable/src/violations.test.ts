// What is refused for want of authority, on a whole system: counted, announced once, and as an alarm where it repeats.
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, query, service } from "./index.ts";

const input = z.looseObject({});
const definition = defineSystem({
  name: "violations",
  services: [
    service({
      name: "work",
      description: "Works.",
      port: 0,
      agents: [
        agent({
          name: "danger",
          capability: "danger",
          description: "Is dangerous.",
          risk: "high",
          input,
          handle: () => "done",
        }),
        agent({ name: "echo", capability: "echo", description: "Echoes.", input, handle: () => "echo" }),
      ],
      queries: [query({ name: "double", description: "Doubles.", input, answer: () => 2 })],
    }),
  ],
});

async function setup() {
  const t = await startTestSystem(definition);
  const web = await t.connect("web");
  const narrow = async (resources: string[]) => {
    const { token } = await t.settled(web.api.mintCapability({ expiresInMs: 3_600_000, resources }));
    return t.client(token);
  };
  const tried = async (attempt: Promise<unknown>) => void (await t.settled(attempt.catch(() => undefined)));
  return { t, web, narrow, tried };
}

describe("what somebody may not do", () => {
  test("is refused, counted, and told of with who, what and why: a command, a query and a reading", async () => {
    const { t, web, narrow, tried } = await setup();
    const guest = await narrow(["command/echo"]);
    await tried(web.run("danger"));
    await tried(guest.ask(web.sessionId, { query: "double", args: {} }));
    await tried(guest.swarms());
    const events = await t.events("security.violation");
    expect(events.map(({ data }) => data)).toMatchObject([
      { code: "security.denied", address: "command/danger", principal: "owner", capabilityId: expect.any(String) },
    ]);
    // The others are of the same kind within a minute: counted with the next.
    await t.time.advance(60_000);
    await tried(guest.memory({}));
    expect((await t.events("security.violation")).at(-1)?.data).toMatchObject({ address: "view/memory", more: 2 });
    const scrape = new Request("http://test.invalid/metrics", {
      headers: { authorization: `Bearer ${t.system.ownerToken}` },
    });
    const metrics = await t.settled(Promise.resolve(t.system.fetch(scrape)));
    expect(await metrics.text()).toContain("viable_security_violations_total 4");
    await t.stop();
  });

  test("is an alarm when it repeats, once an hour, and not before the third time", async () => {
    const { t, web, tried } = await setup();
    const alarms = async () => (await t.events("security.alarm")).map(({ data }) => data);
    await tried(web.run("danger"));
    await tried(web.run("danger"));
    expect(await alarms()).toEqual([]);
    await tried(web.run("danger"));
    expect(await alarms()).toMatchObject([
      { principal: "owner", violations: 3, withinMs: 3_600_000, latest: { address: "command/danger" } },
    ]);
    for (let n = 0; n < 10; n++) await tried(web.run("danger"));
    expect(await alarms()).toHaveLength(1);
    await t.time.advance(3_600_000);
    for (let n = 0; n < 2; n++) await tried(web.run("danger"));
    // What was before that hour counts no more.
    expect(await alarms()).toHaveLength(1);
    await tried(web.run("danger"));
    expect(await alarms()).toHaveLength(2);
    await t.stop();
  });

  test("of high risk is told of singly, and of a machine that tries no more than one a second", async () => {
    const { t, web, tried } = await setup();
    for (let n = 0; n < 5; n++) {
      await tried(web.run("danger"));
      await t.time.advance(1_000);
    }
    expect(await t.events("security.violation")).toHaveLength(5);
    for (let n = 0; n < 50; n++) await tried(web.run("danger"));
    expect((await t.events("security.violation")).length).toBeLessThanOrEqual(7);
    await t.stop();
  });

  test("is not what is limited, unknown or wrong", async () => {
    const { t, web, tried } = await setup();
    await tried(web.run("no_such"));
    await tried(web.run("echo", "x" as never));
    await tried(web.api.execution("exe_00000000000000000000000000"));
    expect(await t.events("security.*")).toEqual([]);
    await t.stop();
  });
});
