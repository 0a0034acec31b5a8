import { Agent, request as requestHttp } from "node:http";
import { createClient } from "@viable/client";
import { socketProtocol, socketTokenPrefix } from "@viable/protocol";
import fc from "fast-check";
import type { AttackedGateway } from "../abuse/attacked-gateway.ts";
import { startGateway } from "../abuse/attacked-gateway.ts";
import { openRaw } from "../abuse/raw-connection.ts";
import type { Bearer, FuzzInput } from "./entrances.ts";
import { inputArbitrary, places, unknownBodies } from "./entrances.ts";
import type { FuzzWorld } from "./fuzz-world.ts";
import { createFuzzWorld } from "./fuzz-world.ts";

/** Inputs that are drawn from one seed, in one world: as many as tell the limits of one token from nothing at all. */
export const batchInputs = 1_000;
/** Batches that one gateway is attacked by, before another takes its place: what was recorded lies in its memory. */
const batchesOfGateway = 20;
/** Inputs under way at once. */
const atOnce = 48;
/** Nobody waits longer for an answer, in milliseconds: commands may wait for minutes, and feeds for ever. */
const patienceMs = 400;
/** Of a feed, or an answer without end, in bytes. */
const maxReadBytes = 256 * 1024;
/** Of what is said on the sockets of one bearer in a batch. */
const maxHeardChars = 8 * 1024 * 1024;

export interface FuzzSettings {
  readonly seed: number;
  readonly inputs: number;
  readonly store: "memory" | "pglite";
  onBatch?(done: number, failures: number): void;
}

export interface FuzzFailure {
  /** The seed of its batch: with it alone it is made again. */
  readonly seed: number;
  readonly why: string;
  readonly input: FuzzInput | undefined;
}

export interface FuzzReport {
  readonly seed: number;
  readonly inputs: number;
  /** How often each was answered, by status; of frames by the type of what came first; `left` where nobody waited longer. */
  readonly answers: Readonly<Record<string, number>>;
  readonly failures: readonly FuzzFailure[];
}

/** As a problem says it; the description of all routes names the code, too. */
const ownError = '"code":"gateway.internal"';

/** Attacks every entrance of gateways that listen, batch by batch. A batch follows from its seed alone, but for what takes turns in it. */
export async function runFuzz({ seed, inputs, store, onBatch }: FuzzSettings): Promise<FuzzReport> {
  const answers: Record<string, number> = {};
  const failures: FuzzFailure[] = [];
  let gateway: AttackedGateway | undefined;
  try {
    for (let n = 0; n * batchInputs < inputs; n++) {
      if (n % batchesOfGateway === 0 || gateway?.hasEnded !== false) {
        await gateway?.[Symbol.asyncDispose]();
        gateway = await startGateway({ store });
      }
      failures.push(...(await runBatch(gateway, (seed + n) % 2 ** 31, answers)));
      onBatch?.((n + 1) * batchInputs, failures.length);
    }
  } finally {
    await gateway?.[Symbol.asyncDispose]();
  }
  return { seed, inputs: Math.ceil(inputs / batchInputs) * batchInputs, answers, failures };
}

async function runBatch(
  gateway: AttackedGateway,
  seed: number,
  answers: Record<string, number>,
): Promise<FuzzFailure[]> {
  const client = createClient({ url: gateway.url, token: gateway.owner });
  const entrances = { routes: gateway.routes, commands: (await client.commands()).commands };
  const unknown = unknownBodies(entrances);
  if (unknown.length > 0)
    throw new Error(`Nobody has said what these routes take: ${unknown.join(", ")}. Say it in entrances.ts.`);
  const world = await createFuzzWorld(gateway);
  const drawn = fc.sample(inputArbitrary(entrances), { seed, numRuns: batchInputs });
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const sockets = new Map<Bearer, Promise<WebSocket>>();
  const failures: FuzzFailure[] = [];
  const fail = (why: string, input?: FuzzInput) => failures.push({ seed, why, input });
  let next = 0;
  const worker = async () => {
    for (let input = drawn[next++]; input !== undefined; input = drawn[next++]) {
      const answer = await send(gateway, world, input, { agent, sockets });
      answers[answer.kind] = (answers[answer.kind] ?? 0) + 1;
      const bearer = input.kind === "raw" ? "nobody" : input.bearer;
      for (const canary of world.forbidden(bearer))
        if (answer.text.includes(canary)) fail(`${bearer} was told ${canary}`, input);
      if (/^5/.test(answer.kind) && !isOwnLimit(answer)) fail(`${answer.kind}: ${answer.text.slice(0, 500)}`, input);
      if (answer.text.includes(ownError)) fail(`an error of ours: ${answer.text.slice(0, 500)}`, input);
      if (
        /^4/.test(answer.kind) &&
        input.kind === "http" &&
        input.method !== "HEAD" &&
        !answer.text.includes('"code":')
      )
        fail(`${answer.kind} without a code: ${answer.text.slice(0, 500)}`, input);
      if (answer.kind === "no answer" && input.kind === "http" && !gateway.hasEnded) fail("no answer", input);
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, worker));
    // Answers of frames come on the sockets at any time.
    for (const [bearer, opening] of sockets) {
      const socket = await opening.catch(() => undefined);
      const heard = heardOf.get(socket as WebSocket) ?? "";
      for (const canary of world.forbidden(bearer))
        if (heard.includes(canary)) fail(`${bearer} was told ${canary} on a socket`);
      if (heard.includes(ownError))
        fail(`an error of ours on a socket: ${heard.slice(heard.indexOf(ownError) - 200).slice(0, 600)}`);
    }
    const look = await gateway.look();
    if (look.troubles.length > 0) fail(`it told of ${look.troubles.slice(0, 3).join("; ")}`);
    if (look.polluted.length > 0) fail(`every object has ${look.polluted.join(", ")}`);
    const { sessionId } = await client.openSession({ clientType: "api" });
    const echoed = await client.send(sessionId, { command: "echo", args: { seed }, mode: "sync" });
    if (echoed.status !== "completed") fail(`afterwards a command is ${echoed.status}`);
  } catch (error) {
    fail(`afterwards: ${error instanceof Error ? error.message : String(error)}`);
    await gateway[Symbol.asyncDispose]();
  } finally {
    agent.destroy();
    for (const opening of sockets.values())
      void opening.then(
        (socket) => socket.close(),
        () => undefined,
      );
  }
  // Once told, it is no news to the next batch.
  if (failures.length > 0) await gateway[Symbol.asyncDispose]();
  return failures;
}

interface Answer {
  readonly kind: string;
  readonly text: string;
}

/** Full, for now: an answer with when to come again, as the protocol has it. */
const isOwnLimit = ({ kind, text }: Answer): boolean => kind === "503" && text.includes('"retryable":true');

const fill = (text: string, world: FuzzWorld, bearer: Bearer): string => {
  const known = world.placesOf(bearer);
  return places.reduce((filled, place) => filled.replaceAll(place, known[place]), text);
};

const heardOf = new WeakMap<WebSocket, string>();

async function send(
  gateway: AttackedGateway,
  world: FuzzWorld,
  input: FuzzInput,
  open: { readonly agent: Agent; readonly sockets: Map<Bearer, Promise<WebSocket>> },
): Promise<Answer> {
  if (input.kind === "http") return await sendHttp(gateway, world, input, open.agent);
  if (input.kind === "frame") return await sendFrame(gateway, world, input, open.sockets);
  using line = await openRaw(gateway.port);
  await line.send(input.bytes);
  line.socket.end();
  const timer = setTimeout(() => line.socket.destroy(), patienceMs);
  const text = await line.closed;
  clearTimeout(timer);
  return { kind: /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? "closed", text };
}

function sendHttp(
  gateway: AttackedGateway,
  world: FuzzWorld,
  { bearer, method, path, headers, body }: FuzzInput & { kind: "http" },
  agent: Agent,
): Promise<Answer> {
  return new Promise((resolve) => {
    const token = world.tokens[bearer];
    const filledBody = body === undefined ? undefined : Buffer.from(fill(body, world, bearer));
    const given = Object.entries(headers)
      .map(([name, value]) => [name, fill(value, world, bearer).replace(/[^\t\x20-\x7e\x80-\xff]/g, "?")] as const)
      .filter(([, value]) => value !== "");
    let text = "";
    const request = requestHttp({
      agent,
      host: "127.0.0.1",
      port: gateway.port,
      method,
      path: fill(path, world, bearer).replace(/[^\x21-\x7e]/g, "?"),
      headers: {
        ...Object.fromEntries(given),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(filledBody !== undefined && { "content-length": filledBody.length }),
      },
    });
    const timer = setTimeout(() => {
      settle("left");
      request.destroy();
    }, patienceMs);
    const settle = (kind: string) => {
      clearTimeout(timer);
      resolve({ kind, text });
    };
    request.once("error", () => settle("no answer"));
    request.once("response", (response) => {
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        if (text.length < maxReadBytes) return;
        settle("left");
        request.destroy();
      });
      text = `${JSON.stringify(response.headers)}\n`;
      response.once("end", () => settle(String(response.statusCode)));
      response.once("error", () => settle("cut"));
    });
    request.end(filledBody);
  });
}

async function sendFrame(
  gateway: AttackedGateway,
  world: FuzzWorld,
  { bearer, text }: FuzzInput & { kind: "frame" },
  sockets: Map<Bearer, Promise<WebSocket>>,
): Promise<Answer> {
  let socket = await sockets.get(bearer)?.catch(() => undefined);
  if (socket?.readyState !== WebSocket.OPEN) {
    const heard = socket === undefined ? "" : heardOf.get(socket);
    const opening = openSocket(gateway, world.tokens[bearer] as string, heard ?? "");
    sockets.set(bearer, opening);
    socket = await opening.catch(() => undefined);
  }
  if (socket === undefined) return { kind: "no socket", text: "" };
  socket.send(fill(text, world, bearer));
  return { kind: "frame", text: "" };
}

async function openSocket(gateway: AttackedGateway, token: string, before: string): Promise<WebSocket> {
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/v1/socket`, [
    socketProtocol,
    socketTokenPrefix + token,
  ]);
  heardOf.set(socket, before);
  socket.addEventListener("message", ({ data }) => {
    const heard = heardOf.get(socket) ?? "";
    // What matters is said early, or again.
    if (heard.length < maxHeardChars) heardOf.set(socket, heard + String(data));
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  return socket;
}
