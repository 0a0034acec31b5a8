// That sockets are looked after in rounds: what they were let in with is asked once for each token, each hears its heartbeat after as many rounds,
// one that cannot be told of holds up nobody, and nothing is kept where no socket is open.
import { createRuntime, rootContext, simulateTime, ViableError } from "@viable/kernel";
import { expect, test } from "vitest";
import { HttpProblem } from "../problems.ts";
import type { Authenticated, Standing } from "../receive.ts";
import type { WatchedSocket } from "./socket-rounds.ts";
import { createSocketRounds } from "./socket-rounds.ts";

interface Told {
  beats: number;
  readonly ends: string[];
}

function startRounds(
  standing: (token: string) => Promise<Standing>,
  mayRead: (token: string) => void = () => undefined,
) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const asked: string[] = [];
  const errors: unknown[] = [];
  const rounds = createSocketRounds({
    runtime,
    receive: {
      standing: ({ token }) => {
        asked.push(token);
        return standing(token);
      },
      mayRead: ({ token }) => mayRead(token),
    },
    onError: (error) => errors.push(error),
  });
  const open = (token: string, isJoined = true) => {
    const who = rounds.whoOf({ token, grant: {}, ctx: rootContext(runtime) } as Authenticated);
    const told: Told = { beats: 0, ends: [] };
    const socket: WatchedSocket = {
      isJoined,
      beatRound: rounds.round,
      beat: () => {
        told.beats += 1;
      },
      look: () => undefined,
      endWithAuthority: ({ code }) => told.ends.push(code),
      endAfterLastEvent: () => told.ends.push("over"),
    };
    rounds.enter(who, socket);
    return { who, told, close: () => rounds.leave(who, socket) };
  };
  return { time, asked, errors, open };
}

test("what a token opens is asked once a second, however many sockets were opened with it, and all of them are ended", async () => {
  let isWorthless = false;
  const { time, asked, open } = startRounds(async (token) => (token === "a" && isWorthless ? "worthless" : "holds"));
  const [first, second, other] = [open("a"), open("a"), open("b")];
  expect(second.who).toBe(first.who);
  await time.advance(1_000);
  expect(asked).toEqual(["a", "b"]);
  isWorthless = true;
  await time.advance(1_000);
  expect([first, second, other].map(({ told }) => told.ends)).toEqual([
    ["gateway.unauthenticated"],
    ["gateway.unauthenticated"],
    [],
  ]);
});

test("a token that may read at other hours only ends its sockets that are told of a session, and no others", async () => {
  const { time, open } = startRounds(
    async () => "holds",
    () => {
      throw new HttpProblem({ status: 403, code: "security.denied", detail: "Not now." });
    },
  );
  const [joined, apart] = [open("a"), open("a", false)];
  await time.advance(1_000);
  expect(joined.told.ends).toEqual(["security.denied"]);
  expect(apart.told.ends).toEqual([]);
});

test("each hears a heartbeat every fifteen seconds, the first after as long", async () => {
  const { time, open } = startRounds(async () => "holds");
  const early = open("a");
  await time.advance(5_000);
  const late = open("b");
  await time.advance(9_000);
  expect([early.told.beats, late.told.beats]).toEqual([0, 0]);
  await time.advance(1_000);
  expect([early.told.beats, late.told.beats]).toEqual([1, 0]);
  await time.advance(5_000);
  expect([early.told.beats, late.told.beats]).toEqual([1, 1]);
  await time.advance(60_000);
  expect([early.told.beats, late.told.beats]).toEqual([5, 5]);
});

test("a token that cannot be told of is not asked for again meanwhile, and holds up nobody", async () => {
  const { time, asked, open } = startRounds((token) =>
    token === "a" ? new Promise(() => {}) : Promise.resolve("holds"),
  );
  const [waiting, other] = [open("a"), open("b")];
  await time.advance(30_000);
  expect(asked.filter((token) => token === "a")).toHaveLength(1);
  expect(asked.filter((token) => token === "b")).toHaveLength(30);
  expect([waiting.told, other.told].map(({ beats }) => beats)).toEqual([2, 2]);
});

test("a log that is away for now ends nothing and is told of to nobody; a defect is told of", async () => {
  let error: Error = new ViableError("log.unavailable", "It is away.", { retryable: true });
  const { time, errors, open } = startRounds(() => Promise.reject(error));
  const { told } = open("a");
  await time.advance(1_000);
  expect(errors).toEqual([]);
  error = new Error("a defect");
  await time.advance(1_000);
  expect(errors).toEqual([error]);
  expect(told.ends).toEqual([]);
});

test("one timer is kept however many sockets are open, and none where there are none", async () => {
  const { time, open } = startRounds(async () => "holds");
  const before = time.pending;
  const opened = Array.from({ length: 100 }, (_, n) => open(String(n)));
  expect(time.pending).toBe(before + 1);
  await time.advance(3_000);
  expect(time.pending).toBe(before + 1);
  for (const { close } of opened) close();
  expect(time.pending).toBe(before);
  await time.advance(3_000);
  expect(time.pending).toBe(before);
  open("again");
  expect(time.pending).toBe(before + 1);
});
