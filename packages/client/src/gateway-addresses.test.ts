/** Several gateways of one system, of which some give no answer: what is asked again elsewhere, and what must not be. In simulated time. */
import { codeOf, simulateTime } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { createClient } from "./client.ts";

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

const health = { status: "ok" };
const json = (body: unknown) => new Response(JSON.stringify(body), { headers: { "content-type": "application/json" } });

/** A client of three gateways. Those that are named are away; the others answer as told. */
function world(away: ReadonlySet<string>, answer: (url: URL, init?: RequestInit) => Response = () => json(health)) {
  const asked: string[] = [];
  const time = simulateTime();
  const client = createClient({
    url: ["http://a.invalid/", "http://b.invalid", "http://c.invalid"],
    token: "secret",
    clock: time,
    fetch: (async (text: string, init?: RequestInit) => {
      const url = new URL(text);
      asked.push(url.host[0] as string);
      if (away.has(url.host[0] as string)) throw new TypeError("fetch failed");
      return answer(url, init);
    }) as typeof fetch,
  });
  return { asked, time, client };
}

const code = (promise: Promise<unknown>) => promise.then(() => "answered", codeOf);

describe("of several gateways", () => {
  test("the first is asked as long as it answers", async () => {
    const { client, asked } = world(new Set());
    for (let n = 0; n < 3; n++) await code(client.sessions());
    expect([asked, client.url]).toEqual([["a", "a", "a"], "http://a.invalid"]);
  });

  test("the next is asked where one gives no answer, and kept to", async () => {
    const { client, asked } = world(new Set(["a", "b"]), () => json({ sessions: [] }));
    expect(await client.sessions()).toEqual({ sessions: [] });
    await client.sessions();
    expect([asked, client.url]).toEqual([["a", "b", "c", "c"], "http://c.invalid"]);
  });

  test("none that is away is asked twice for one answer", async () => {
    const { client, asked } = world(new Set(["a", "b", "c"]));
    expect(await code(client.sessions())).toBe("client.unreachable");
    expect(asked).toEqual(["a", "b", "c"]);
  });

  test("a command without a key is sent once, since nobody knows what became of it; the next goes elsewhere", async () => {
    const { client, asked } = world(new Set(["a"]));
    const command = { command: "echo", args: {} };
    expect(await code(client.send("ses_1", command))).toBe("client.unreachable");
    expect(asked).toEqual(["a"]);
    await code(client.send("ses_1", command));
    expect(asked).toEqual(["a", "b"]);
  });

  test("one with a key is sent on, with the same key", async () => {
    const keys: unknown[] = [];
    const { client, asked } = world(new Set(["a"]), (_url, init) => {
      keys.push(new Headers(init?.headers).get("idempotency-key"));
      return json({ status: "completed", executionId: "exe_1", result: 1 });
    });
    await client.send("ses_1", { command: "echo", args: {} }, { idempotencyKey: "k" });
    expect([asked, keys]).toEqual([["a", "b"], ["k"]]);
  });

  test("an answer that breaks off is asked for elsewhere", async () => {
    const broken = new ReadableStream({
      start: (controller) => controller.error(new TypeError("terminated")),
    });
    const { client, asked } = world(new Set(), ({ host }) =>
      host.startsWith("a") ? new Response(broken) : json({ sessions: [] }),
    );
    expect(await client.sessions()).toEqual({ sessions: [] });
    expect(asked).toEqual(["a", "b"]);
  });

  test("a refusal is an answer, and asked for nowhere else", async () => {
    const problem = {
      type: "x",
      title: "x",
      status: 403,
      code: "security.denied",
      detail: "x",
      retryable: false,
      reasons: [],
    };
    const { client, asked } = world(new Set(), () => new Response(JSON.stringify(problem), { status: 403 }));
    expect(await code(client.sessions())).toBe("security.denied");
    expect(asked).toEqual(["a"]);
  });

  test("a feed goes on at the next, after the last event that was seen", async () => {
    const from: (string | null)[] = [];
    const { client, asked, time } = world(new Set(["b"]), ({ host }, init) => {
      from.push(new Headers(init?.headers).get("last-event-id"));
      const position = host.startsWith("a") ? "7" : "8";
      const text = `id: ${position}\nevent: x\ndata: ${JSON.stringify(event(position))}\n\n`;
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(text));
          // As of a process that was killed.
          if (host.startsWith("a")) queueMicrotask(() => controller.error(new TypeError("terminated")));
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    });
    const seen: string[] = [];
    const abort = new AbortController();
    const watching = (async () => {
      for await (const { position } of client.watch("ses_1", { signal: abort.signal })) {
        seen.push(position);
        if (position === "8") abort.abort();
      }
    })();
    await time.until(() => seen.at(-1) === "8", 60_000);
    await watching;
    expect(asked.filter((host, n) => host !== asked[n - 1])).toEqual(["a", "b", "c"]);
    // The first may have broken before its event was read; it is asked for again then.
    expect(from.at(-1)).toBe(seen.includes("7") ? "7" : null);
  });

  test.each([[[]], [Array.from({ length: 17 }, (_, n) => `http://${n}.invalid`)]])(
    "none, or more than sixteen, are refused",
    (url) => {
      let thrown: unknown;
      try {
        createClient({ url, token: "secret" });
      } catch (error) {
        thrown = error;
      }
      expect(codeOf(thrown)).toBe("client.invalid_address");
    },
  );
});
