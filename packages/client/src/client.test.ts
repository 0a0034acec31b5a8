/** The client against answers that a gateway, or something between, might give. */
import { simulateTime } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { createClient } from "./client.ts";

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** A client whose requests are answered one after the other by what is given. */
function scripted(...answers: (() => Response | Promise<Response>)[]) {
  const requests: { url: string; headers: Headers }[] = [];
  const time = simulateTime();
  const client = createClient({
    url: "http://gateway.invalid/",
    token: "secret",
    clock: time,
    fetch: (async (url: string, init?: RequestInit) => {
      requests.push({ url, headers: new Headers(init?.headers) });
      const answer = answers.shift();
      if (answer === undefined) throw new TypeError("fetch failed");
      return await answer();
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
