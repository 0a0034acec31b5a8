/** A socket against gateways that go away, refuse, fall silent or say what is no frame, in simulated time and over no network. */
import { seededRandom, simulateTime } from "@viable/kernel";
import type { EventView } from "@viable/protocol";
import { expect, test } from "vitest";
import type { SocketWatchOptions } from "./open-socket.ts";
import { openSocket } from "./open-socket.ts";

/** The platform's WebSocket as far as it is used, with the gateway's end in the test's hand. */
class Line extends EventTarget {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly sent: { type: string; id?: string; [member: string]: unknown }[] = [];
  closedWith: number | undefined | "not closed" = "not closed";

  constructor(url: string, protocols: readonly string[]) {
    super();
    this.url = url;
    this.protocols = protocols;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.closedWith = code;
  }

  open(): void {
    this.dispatchEvent(new Event("open"));
  }

  say(frame: unknown): void {
    const data = typeof frame === "string" ? frame : JSON.stringify(frame);
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  cut(code = 1006): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }

  of(type: string) {
    return this.sent.filter((frame) => frame.type === type);
  }

  /** Answers the last join. */
  joined(sessionId = "ses_1"): void {
    this.say({ type: "joined", id: this.of("join").at(-1)?.id, sessionId, position: "0" });
  }

  event(position: number, type = "t", sessionId = "ses_1"): void {
    this.say({ type: "event", sessionId, position: String(position), event: event(position, type) });
  }
}

const event = (position: number, type: string): EventView => ({
  id: `evt_${position}`,
  type,
  stream: "s",
  version: position,
  position: String(position),
  time: "2026-01-01T00:00:00.000Z",
  tenant: "default",
  actor: "owner",
  data: {},
});

const refusal = (status: number, code: string, retryable = false) => ({
  type: `urn:viable:problem:${code}`,
  title: "x",
  status,
  code,
  detail: "x",
  retryable,
  reasons: [],
});

function setup(answer: () => Promise<Response> = () => Promise.reject(new TypeError("fetch failed"))) {
  const time = simulateTime();
  const lines: Line[] = [];
  const socket = openSocket({
    url: "http://gateway.invalid/",
    token: "a.b",
    clock: time,
    random: seededRandom(1),
    fetch: answer as typeof fetch,
    WebSocket: class extends Line {
      constructor(url: string, protocols: readonly string[]) {
        super(url, protocols);
        lines.push(this);
      }
    } as unknown as typeof WebSocket,
  });
  const line = (): Line => {
    const last = lines.at(-1);
    if (last === undefined) throw new Error("No connection was tried.");
    return last;
  };
  const watch = (options: SocketWatchOptions = {}, sessionId = "ses_1") => {
    const seen: string[] = [];
    const told: { end?: "over" | unknown } = {};
    const done = (async () => {
      try {
        for await (const { position } of socket.watch(sessionId, options)) seen.push(position);
        told.end = "over";
      } catch (error) {
        told.end = error;
      }
    })();
    return { seen, told, done };
  };
  /** Lets the next line be tried. */
  const next = async () => {
    const before = lines.length;
    await time.until(() => lines.length > before);
    return line();
  };
  return { time, socket, lines, line, watch, next };
}

test("nothing is opened before it is needed; the token goes as a subprotocol", async () => {
  const { lines, line, watch } = setup();
  expect(lines).toHaveLength(0);
  watch();
  expect(lines).toHaveLength(1);
  expect(line().url).toBe("ws://gateway.invalid/v1/socket");
  expect(line().protocols).toEqual(["viable.v1", "bearer.a.b"]);
});

test("a watch goes on after the last event that was handed out, whatever was cut", async () => {
  const { time, line, watch, next } = setup();
  const { seen } = watch({ after: "4" });
  line().open();
  expect(line().of("join")).toMatchObject([{ sessionId: "ses_1", after: "4", acks: true }]);
  line().joined();
  for (const position of [5, 6, 9]) line().event(position);
  await time.settle();
  line().cut();
  const second = await next();
  second.open();
  expect(second.of("join")).toMatchObject([{ after: "9" }]);
  // Of no join of this line: it must not be taken for its first.
  second.event(10);
  second.joined();
  second.event(10);
  second.event(12);
  await time.settle();
  expect(seen).toEqual(["5", "6", "9", "10", "12"]);
});

test("what was not handed out is not kept over a cut, so that no more than one join's is ever held", async () => {
  const { time, socket, line, next } = setup();
  const events = socket.watch("ses_1");
  const first = events.next();
  line().open();
  line().joined();
  for (let position = 1; position <= 5; position++) line().event(position);
  expect((await first).value?.position).toBe("1");
  line().cut();
  await time.settle();
  const second = await next();
  second.open();
  expect(second.of("join")).toMatchObject([{ after: "1" }]);
  second.joined();
  for (let position = 2; position <= 6; position++) second.event(position, position === 6 ? "session.ended" : "t");
  const rest: string[] = [];
  for await (const { position } of events) rest.push(position);
  expect(rest).toEqual(["2", "3", "4", "5", "6"]);
});

test("events are acknowledged when they were handled, a hundred at a time", async () => {
  const { time, line, watch } = setup();
  watch();
  line().open();
  line().joined();
  for (let position = 1; position <= 250; position++) line().event(position);
  await time.settle();
  expect(line().of("ack")).toMatchObject([{ position: "100" }, { position: "200" }]);
});

test("it ends with its session, and by its signal, which leaves it", async () => {
  const { time, line, watch } = setup();
  const abort = new AbortController();
  const [ending, left] = [watch({}, "ses_1"), watch({ signal: abort.signal }, "ses_2")];
  line().open();
  for (const { id, sessionId } of line().of("join")) line().say({ type: "joined", id, sessionId, position: "0" });
  line().event(1, "session.ended");
  line().event(2, "t", "ses_2");
  abort.abort();
  await Promise.all([ending.done, left.done]);
  expect(ending).toMatchObject({ seen: ["1"], told: { end: "over" } });
  expect(left).toMatchObject({ told: { end: "over" } });
  expect(
    line()
      .of("leave")
      .map(({ sessionId }) => sessionId),
  ).toContain("ses_2");
  line().cut(4001);
  await time.advance(60_000);
  expect(time.pending).toBe(0);
});

test("commands are answered by their ids; what is refused is a problem", async () => {
  const { socket, line } = setup();
  const sent = socket.send("ses_1", { command: "a" });
  const refused = socket.send("ses_1", { command: "b" });
  const cancelled = socket.cancel("exe_1");
  line().open();
  const [a, b, c] = line().sent;
  line().say({ type: "error", id: b?.id, problem: refusal(404, "intake.unknown_command") });
  line().say({ type: "reply", id: a?.id, answer: { status: "completed", executionId: "exe_1", result: 1 } });
  const state = { executionId: "exe_1", status: "cancelled", command: "a" };
  line().say({ type: "reply", id: c?.id, execution: state });
  await expect(sent).resolves.toMatchObject({ status: "completed", result: 1 });
  await expect(refused).rejects.toMatchObject({ name: "GatewayProblem", code: "intake.unknown_command" });
  await expect(cancelled).rejects.toMatchObject({ code: "client.unexpected_answer" });
});

test("a command with a key is sent again after a cut; of one without nobody knows whether it was accepted", async () => {
  const { socket, line, next } = setup();
  const keyed = socket.send("ses_1", { command: "a" }, { idempotencyKey: "k" });
  const bare = socket.send("ses_1", { command: "b" });
  bare.catch(() => undefined);
  line().open();
  line().cut();
  await expect(bare).rejects.toMatchObject({ code: "client.unreachable", retryable: true });
  const second = await next();
  second.open();
  expect(second.sent).toMatchObject([{ command: "a", idempotencyKey: "k" }]);
  second.say({
    type: "reply",
    id: second.sent[0]?.id,
    answer: { status: "completed", executionId: "exe_1", result: 1 },
  });
  await expect(keyed).resolves.toMatchObject({ status: "completed" });
});

test("what was one frame too many is sent once more", async () => {
  const { time, socket, line } = setup();
  const sent = socket.send("ses_1", { command: "a" });
  line().open();
  const id = line().sent[0]?.id;
  line().say({ type: "error", id, problem: refusal(429, "gateway.too_many_frames", true), retryAfterMs: 100 });
  await time.advance(100);
  expect(line().of("command")).toHaveLength(2);
  line().say({ type: "reply", id, answer: { status: "completed", executionId: "exe_1", result: 1 } });
  await expect(sent).resolves.toMatchObject({ status: "completed" });
});

test("a line that is silent for longer than its heartbeats allow is taken up again", async () => {
  const { time, line, lines, watch, next } = setup();
  watch();
  line().open();
  line().joined();
  for (let beat = 0; beat < 10; beat++) {
    await time.advance(15_000);
    line().say({ type: "beat" });
  }
  expect(lines).toHaveLength(1);
  const [first] = lines;
  const second = await next();
  expect(first?.closedWith).not.toBe("not closed");
  second.open();
  expect(second.of("join")).toHaveLength(1);
});

test("without a gateway it is given up within about half a minute, and tried anew by whoever asks anew", async () => {
  const { time, lines, watch } = setup();
  const { told, done } = watch();
  const began = time.now();
  let tried = 0;
  while (told.end === undefined) {
    while (tried < lines.length) lines[tried++]?.cut();
    await time.advance(100);
  }
  await done;
  expect(told.end).toMatchObject({ code: "client.unreachable" });
  expect(time.now() - began).toBeLessThan(40_000);
  expect(lines).toHaveLength(10);
  watch();
  expect(lines).toHaveLength(11);
});

test("a token that opens nothing is asked about, since the platform does not tell, and not tried again", async () => {
  const { time, lines, line, watch } = setup(async () =>
    Response.json(refusal(401, "gateway.unauthenticated"), { status: 401 }),
  );
  const { told } = watch();
  line().cut();
  await time.until(() => told.end !== undefined);
  expect(told.end).toMatchObject({ name: "GatewayProblem", code: "gateway.unauthenticated" });
  expect(lines).toHaveLength(1);
});

test("a gateway that would open one is tried again", async () => {
  const { line, watch, next } = setup(async () => Response.json(refusal(426, "gateway.upgrade_needed")));
  watch();
  line().cut();
  expect(await next()).toBeDefined();
});

test("a token that is worth nothing any more ends what is watched and asked", async () => {
  const { time, socket, line, lines, watch } = setup();
  const { told, done } = watch();
  const sent = socket.send("ses_1", { command: "a" }, { idempotencyKey: "k" });
  sent.catch(() => undefined);
  line().open();
  line().say({ type: "error", problem: refusal(401, "gateway.unauthenticated") });
  line().cut(4001);
  await done;
  expect(told.end).toMatchObject({ code: "gateway.unauthenticated" });
  await expect(sent).rejects.toMatchObject({ code: "gateway.unauthenticated" });
  await time.advance(60_000);
  expect(lines).toHaveLength(1);
});

test("a join that is refused for good fails its watch, for now is asked for again", async () => {
  const { time, line, watch } = setup();
  const [no, later] = [watch({}, "ses_1"), watch({}, "ses_2")];
  line().open();
  const [first, second] = line().of("join");
  line().say({ type: "error", id: first?.id, problem: refusal(404, "gateway.not_found") });
  line().say({ type: "error", id: second?.id, problem: refusal(503, "log.unavailable", true), retryAfterMs: 1_000 });
  await no.done;
  expect(no.told.end).toMatchObject({ code: "gateway.not_found" });
  await time.advance(1_000);
  expect(
    line()
      .of("join")
      .map(({ sessionId }) => sessionId),
  ).toEqual(["ses_1", "ses_2", "ses_2"]);
  expect(later.told.end).toBeUndefined();
});

test("what a later gateway says besides is passed over; what is no frame is no gateway's", async () => {
  const { line, watch } = setup();
  const { told, done } = watch();
  line().open();
  line().say({ type: "news", of: "tomorrow" });
  expect(told.end).toBeUndefined();
  line().say("<html>");
  await done;
  expect(told.end).toMatchObject({ code: "client.unexpected_answer" });
});

test("one watch for each session, and none on a socket that was closed", async () => {
  const { socket, line, watch } = setup();
  const first = watch();
  const second = watch();
  await second.done;
  expect(second.told.end).toMatchObject({ code: "client.already_watched" });
  const sent = socket.send("ses_1", { command: "a" });
  socket.close();
  await expect(sent).rejects.toMatchObject({ code: "client.closed" });
  await first.done;
  expect(first.told.end).toBe("over");
  expect(line().closedWith).toBe(1000);
  await expect(socket.watch("ses_1").next()).rejects.toMatchObject({ code: "client.closed" });
});

test("who is joined is told as it changes", async () => {
  const { line, watch } = setup();
  const told: unknown[] = [];
  watch({ onPresence: (clients, count) => told.push([clients.length, count]) });
  line().open();
  line().joined();
  const client = { clientType: "web", principal: "owner", since: "2026-01-01T00:00:00.000Z", via: "socket" };
  line().say({ type: "presence", sessionId: "ses_1", count: 300, clients: [client] });
  expect(told).toEqual([[1, 300]]);
});

test("no more is asked at once than a gateway takes", async () => {
  const { socket, line } = setup();
  const asked = Array.from({ length: 64 }, () => socket.send("ses_1", { command: "a" }));
  await expect(socket.send("ses_1", { command: "a" })).rejects.toMatchObject({ code: "client.too_many_asked" });
  line().open();
  expect(line().of("command")).toHaveLength(64);
  socket.close();
  const results = await Promise.allSettled(asked);
  expect(results.every(({ status }) => status === "rejected")).toBe(true);
});
