/** The client against answers that a gateway, or something between, might give. */
import { seededRandom, simulateTime } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import type { Client } from "./client.ts";
import { createClient } from "./client.ts";

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** A client whose requests are answered one after the other by what is given. */
function scripted(...answers: (() => Response | Promise<Response>)[]) {
  const requests: { url: string; headers: Headers; signal: AbortSignal | null }[] = [];
  const time = simulateTime();
  const client = createClient({
    url: "http://gateway.invalid/",
    token: "secret",
    clock: time,
    // Always the longest pause.
    random: { ...seededRandom(1), next: () => 1 },
    fetch: (async (url: string, init?: RequestInit) => {
      requests.push({ url, headers: new Headers(init?.headers), signal: init?.signal ?? null });
      const answer = answers.shift();
      if (answer === undefined) throw new TypeError("fetch failed");
      const { signal } = init ?? {};
      const aborted = new Promise<never>((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      return await Promise.race([answer(), aborted]);
    }) as typeof fetch,
  });
  return { client, requests, time };
}

const event = (position: string) => ({
  id: `evt_${position}`,
  type: "execution.accepted",
  stream: "execution:exe_1",
  version: 1,
  position,
  time: "2026-01-01T00:00:00.000Z",
  tenant: "default",
  actor: "owner",
  data: {},
});
const feed = (...positions: string[]) =>
  new Response(
    positions.map((position) => `id: ${position}\nevent: x\ndata: ${JSON.stringify(event(position))}\n\n`).join(""),
    {
      headers: { "content-type": "text/event-stream" },
    },
  );

describe("errors", () => {
  test("a problem keeps its code, advice and reasons", async () => {
    const problem = {
      type: "urn:viable:problem:intake.unknown_command",
      title: "Not found",
      status: 404,
      code: "intake.unknown_command",
      detail: 'There is no command "x".',
      retryable: false,
      reasons: ["Did you mean y?"],
    };
    const { client } = scripted(() => json(problem, 404));
    await expect(client.execution("exe_1")).rejects.toMatchObject({
      name: "GatewayProblem",
      code: "intake.unknown_command",
      problem,
    });
  });

  test("nobody there is said as that, with the address", async () => {
    const { client } = scripted();
    await expect(client.health()).rejects.toMatchObject({
      code: "client.unreachable",
      message: expect.stringContaining("http://gateway.invalid"),
    });
  });

  test.each([
    ["a page of a proxy's", () => new Response("<html>", { status: 502 })],
    ["an answer of another shape", () => json({ executionId: 7 })],
  ])("%s is not taken for an answer", async (_what, answer) => {
    const { client } = scripted(answer);
    await expect(client.execution("exe_1")).rejects.toMatchObject({ code: "client.unexpected_answer" });
  });
});

describe("every answer is checked", () => {
  const calls: [string, (client: Client) => Promise<unknown>][] = [
    ["openSession", (client) => client.openSession({ clientType: "cli" })],
    ["session", (client) => client.session("ses_1")],
    ["endSession", (client) => client.endSession("ses_1")],
    ["suspendSession", (client) => client.suspendSession("ses_1")],
    ["resumeSession", (client) => client.resumeSession("ses_1")],
    ["send", (client) => client.send("ses_1", { command: "x" })],
    ["execution", (client) => client.execution("exe_1")],
    ["executions", (client) => client.executions()],
    ["cancel", (client) => client.cancel("exe_1")],
    ["executionEvents", (client) => client.executionEvents("exe_1")],
    ["commands", (client) => client.commands()],
    ["swarms", (client) => client.swarms()],
    ["swarm", (client) => client.swarm("work")],
    ["swarmHistory", (client) => client.swarmHistory("work")],
    ["discover", (client) => client.discover("x")],
    ["deadLetters", (client) => client.deadLetters()],
    ["memory", (client) => client.memory({})],
    ["events", (client) => client.events()],
    ["reactors", (client) => client.reactors()],
    ["runs", (client) => client.runs()],
    ["run", (client) => client.run("run_1")],
    ["runEvents", (client) => client.runEvents("run_1")],
    ["approvals", (client) => client.approvals()],
    ["health", (client) => client.health()],
  ];

  test.each(calls)("%s takes no page for an answer, though it came with 200", async (_name, call) => {
    const { client } = scripted(
      () => new Response("<html>Welcome to nginx!</html>", { headers: { "content-type": "text/html" } }),
    );
    await expect(call(client)).rejects.toMatchObject({
      code: "client.unexpected_answer",
      message: expect.stringMatching(/answered 200 .*: it is no JSON\.$/),
    });
  });

  test.each(calls)("%s takes no JSON of another shape, and says where it differs", async (_name, call) => {
    const { client } = scripted(() => json({ hello: "there" }));
    await expect(call(client)).rejects.toMatchObject({ code: "client.unexpected_answer" });
  });

  test("one that is cut in the middle is no answer, and may be asked for again", async () => {
    const cut = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"status":'));
        controller.error(new TypeError("terminated"));
      },
    });
    const { client } = scripted(() => new Response(cut));
    await expect(client.execution("exe_1")).rejects.toMatchObject({ code: "client.unreachable", retryable: true });
  });
});

describe("the swarms", () => {
  const swarm = {
    service: "work",
    description: "Works.",
    processId: "prc_1",
    status: "healthy",
    reasons: [],
    capabilities: [],
    agents: [],
    measurement: { workers: 1, running: 0, queued: 0, completed: 0, failed: 0, latencyMs: 0 },
    parts: [],
    workers: [],
  };

  test("of a service are one, with those of all processes; of a gateway of an earlier release, the one", async () => {
    const told = { ...swarm, measuredAt: "2026-01-01T00:00:00.000Z", ageMs: 0 };
    const { client } = scripted(
      () => json({ ...told, processes: [told, { ...told, processId: "prc_2", ageMs: 7 }] }),
      () => json(swarm),
    );
    const today = await client.swarm("work");
    expect(today.processId).toBe("prc_1");
    expect(today.processes?.map(({ processId, ageMs }) => [processId, ageMs])).toEqual([
      ["prc_1", 0],
      ["prc_2", 7],
    ]);
    expect(await client.swarm("work")).toEqual(swarm);
  });

  test("have a history, page by page, of a service by its name", async () => {
    const { client, requests } = scripted(() => json({ service: "a b", processes: [], changes: [], next: 3 }));
    expect((await client.swarmHistory("a b", { from: 9, limit: 5 })).next).toBe(3);
    expect(requests[0]?.url).toBe("http://gateway.invalid/v1/swarms/a%20b/history?from=9&limit=5");
  });
});

test("an idempotency key goes with whatever may be sent again", async () => {
  const refused = () => new Response("", { status: 502 });
  const { client, requests } = scripted(refused, refused, refused);
  await client.openSession({ clientType: "cli" }, { idempotencyKey: "one" }).catch(() => undefined);
  await client.send("ses_1", { command: "x" }, { idempotencyKey: "two" }).catch(() => undefined);
  await client.send("ses_1", { command: "x" }).catch(() => undefined);
  expect(requests.map(({ headers }) => headers.get("idempotency-key"))).toEqual(["one", "two", null]);
});

describe("the events of an execution", () => {
  const page = (next: string | undefined, ...positions: string[]) => json({ events: positions.map(event), next });

  test("are read page by page, to the last", async () => {
    const { client, requests } = scripted(
      () => page("2", "1", "2"),
      () => page("4", "3", "4"),
      () => page(undefined, "5"),
    );
    const { events, next } = await client.executionEvents("exe_1");
    expect(events.map(({ position }) => position)).toEqual(["1", "2", "3", "4", "5"]);
    expect(next).toBeUndefined();
    expect(requests.map(({ url }) => new URL(url).searchParams.get("after"))).toEqual([null, "2", "4"]);
  });

  test("that go on where they were asked to begin are no answer, and are not asked for again", async () => {
    const { client, requests } = scripted(
      () => page("2", "1", "2"),
      () => page("2"),
    );
    await expect(client.executionEvents("exe_1")).rejects.toMatchObject({ code: "client.unexpected_answer" });
    expect(requests).toHaveLength(2);
  });

  test("are no more than were asked for, and then it is said where to go on", async () => {
    const { client, requests } = scripted(() => page("7", "6", "7"));
    const { events, next } = await client.executionEvents("exe_1", { after: "5", limit: 2 });
    expect(events).toHaveLength(2);
    expect(next).toBe("7");
    expect(requests.map(({ url }) => new URL(url).search)).toEqual(["?after=5&limit=2"]);
  });
});

/** A feed that stays open, for a test to write to. */
function openFeed() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
  });
  return {
    response: () => new Response(body, { headers: { "content-type": "text/event-stream" } }),
    write: (text: string) => controller?.enqueue(new TextEncoder().encode(text)),
  };
}

describe("a quiet feed", () => {
  const message = (position: string) => `id: ${position}\ndata: ${JSON.stringify(event(position))}\n\n`;
  const follow = (client: Client) => {
    const seen: string[] = [];
    const abort = new AbortController();
    const done = (async () => {
      for await (const { position } of client.watch("ses_1", { signal: abort.signal })) seen.push(position);
    })();
    return { seen, done, abort };
  };

  test("is kept for as long as its heartbeats come", async () => {
    const first = openFeed();
    const { client, requests, time } = scripted(first.response);
    const { seen, done, abort } = follow(client);
    await time.settle();
    for (let beat = 0; beat < 40; beat++) {
      await time.advance(15_000);
      first.write(": \n\n");
      await time.settle();
    }
    first.write(message("1"));
    await time.settle();
    expect(seen).toEqual(["1"]);
    expect(requests).toHaveLength(1);
    abort.abort();
    await done;
    expect(time.pending).toBe(0);
  });

  test("that is silent for longer than its heartbeats allow is taken up again where it stood", async () => {
    const [first, second] = [openFeed(), openFeed()];
    const { client, requests, time } = scripted(first.response, second.response);
    const { seen, done, abort } = follow(client);
    first.write(message("1"));
    await time.advance(44_000);
    expect(requests).toHaveLength(1);
    await time.advance(2_000);
    expect(requests.map(({ headers }) => headers.get("last-event-id"))).toEqual([null, "1"]);
    expect(requests[0]?.signal?.aborted).toBe(true);
    second.write(message("2"));
    await time.settle();
    expect(seen).toEqual(["1", "2"]);
    abort.abort();
    await done;
  });

  test("from a gateway that takes requests and never answers is given up", async () => {
    const never = () => new Promise<Response>(() => {});
    const { client, requests, time } = scripted(...new Array(20).fill(never));
    let failed: unknown;
    client
      .watch("ses_1")
      .next()
      .catch((error) => {
        failed = error;
      });
    await time.until(() => failed !== undefined, 600_000);
    expect(failed).toMatchObject({ code: "client.unreachable" });
    expect(requests).toHaveLength(9);
  });

  test("that is a page of somebody else's is no feed", async () => {
    const answer = () => new Response("<html>", { headers: { "content-type": "text/html" } });
    const { client, time } = scripted(...new Array(20).fill(answer));
    let failed: unknown;
    client
      .watch("ses_1")
      .next()
      .catch((error) => {
        failed = error;
      });
    await time.until(() => failed !== undefined);
    expect(failed).toMatchObject({ code: "client.unexpected_answer" });
  });
});

describe("watching a run", () => {
  const runFeed = (...types: string[]) => {
    const text = types.map((type, index) => {
      const data = { ...event(String(index + 1)), type: `run.${type}` };
      return `id: ${index + 1}\nevent: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
    });
    return new Response(text.join(""), { headers: { "content-type": "text/event-stream" } });
  };
  const watch = async ({ client, time }: ReturnType<typeof scripted>) => {
    const seen: string[] = [];
    let isOver = false;
    const watching = (async () => {
      for await (const { type } of client.watchRun("run_1")) seen.push(type);
      isOver = true;
    })();
    await time.until(() => isOver);
    await watching;
    return seen;
  };

  test("ends with its end", async () => {
    const world = scripted(() => runFeed("started", "completed"));
    expect(await watch(world)).toEqual(["run.started", "run.completed"]);
    expect(world.requests.map(({ url }) => url)).toEqual(["http://gateway.invalid/v1/reactors/runs/run_1/events"]);
  });

  test("goes on after a feed that ended before the run did, and after an end that was none", async () => {
    const world = scripted(
      () => runFeed("started", "claimed"),
      () => runFeed("completed", "undo_requested"),
      () => runFeed("compensated"),
    );
    expect(await watch(world)).toHaveLength(5);
    expect(world.requests.map(({ headers }) => headers.get("last-event-id"))).toEqual([null, "2", "2"]);
  });

  test("that is over already has nothing to tell", async () => {
    expect(await watch(scripted(() => new Response(null, { status: 204 })))).toEqual([]);
  });
});

describe("watching", () => {
  test("goes on after the last event seen when the feed drops", async () => {
    const { client, requests, time } = scripted(
      () => feed("1", "2"),
      () => feed("3"),
    );
    const abort = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { position } of client.watch("ses_1", { signal: abort.signal })) {
        seen.push(position);
        if (seen.length === 3) abort.abort();
      }
    })();
    await time.until(() => seen.length === 3);
    await watching;
    expect(seen).toEqual(["1", "2", "3"]);
    expect(requests.map((request) => request.headers.get("last-event-id"))).toEqual([null, "2"]);
  });

  test("gives up after about half a minute without a gateway", async () => {
    const { client, time } = scripted();
    const began = time.now();
    let failed: unknown;
    const watching = client.watch("ses_1").next();
    watching.catch((error) => {
      failed = error;
    });
    await time.until(() => failed !== undefined);
    expect(failed).toMatchObject({ code: "client.unreachable" });
    expect(time.now() - began).toBe(31_850);
  });

  test("does not try again where it was refused", async () => {
    const refusal = {
      type: "x",
      title: "x",
      status: 401,
      code: "gateway.unauthenticated",
      detail: "x",
      retryable: false,
      reasons: [],
    };
    const { client, requests } = scripted(() => json(refusal, 401));
    await expect(client.watch("ses_1").next()).rejects.toMatchObject({ code: "gateway.unauthenticated" });
    expect(requests).toHaveLength(1);
  });
});
