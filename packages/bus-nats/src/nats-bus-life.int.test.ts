// From the start without a server to the end with answers under way, and who is let in.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/nats-core";
import type { Bus } from "@viable/bus";
import type { Clock, Context, Runtime, ViableError } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, withContext } from "@viable/kernel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NatsBusOptions } from "./nats-bus.ts";
import { createNatsBus } from "./nats-bus.ts";
import type { StartNatsOptions } from "./testing/index.ts";
import { startNats } from "./testing/index.ts";
import { until } from "./testing/until.ts";

const runtime = createRuntime();
const ctx = rootContext(runtime);
let ends: (() => PromiseLike<void>)[];
beforeEach(() => {
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

const servers = async (options: StartNatsOptions = {}) => {
  const started = await startNats({ own: true, ...options });
  ends.push(() => started[Symbol.asyncDispose]());
  return started;
};
const soon = (ms: number): Context => withContext(ctx, { deadline: runtime.clock.now() + ms });

/** A started bus and what it tells of. */
async function open(options: NatsBusOptions, on: Runtime = runtime): Promise<{ bus: Bus; problems: ViableError[] }> {
  const problems: ViableError[] = [];
  const bus = createNatsBus(on, { ...options, onProblem: (problem) => problems.push(problem) });
  ends.push(() => bus.stop(soon(10)));
  await bus.start(rootContext(on));
  return { bus, problems };
}

describe("without a server", () => {
  test("a bus comes up, says so once, drops what is published and refuses requests; with one all is there", async () => {
    const { urls, nodes } = await servers();
    const [node] = nodes;
    await node?.stop();

    const { bus, problems } = await open({ servers: urls });
    let heard = 0;
    bus.subscribe("a", {}, () => void heard++);
    bus.presence.announce(ctx, "worker", "w", {});
    expect(bus.presence.present("worker")).toHaveLength(1);
    bus.publish(ctx, "a", {});
    expect(bus.stats()).toMatchObject({ connected: false, published: 0, dropped: 1 });
    await expect(bus.request(ctx, "a", {})).rejects.toMatchObject({ code: "bus.disconnected", retryable: true });
    expect(problems.map(({ code }) => code)).toEqual(["bus.disconnected"]);
    expect(problems[0]?.message).toContain(new URL(urls[0] as string).host);

    await node?.start();
    await until(() => bus.stats().connected);
    bus.publish(ctx, "a", {});
    await until(() => heard === 1);
    const other = await open({ servers: urls });
    await until(() => other.bus.presence.present("worker").length === 1);
    expect(problems).toHaveLength(1);
  });

  test("it is tried again after pauses that grow to five seconds, of the context's clock, for as long as it takes", async () => {
    const { urls, nodes } = await servers();
    await nodes[0]?.stop();
    const time = simulateTime();
    const delays: number[] = [];
    const clock: Clock = {
      ...time,
      setTimer(fire, delayMs) {
        delays.push(delayMs);
        return time.setTimer(fire, delayMs);
      },
    };
    // The longest of each pause.
    const random = { next: () => 1, bytes: (length: number) => new Uint8Array(length) };
    const { bus } = await open({ servers: urls }, createRuntime({ clock, random }));
    const presenceMs = 5_500;
    const pauses = () => delays.filter((delayMs) => delayMs !== presenceMs);
    await until(async () => {
      await time.advance(100);
      return pauses().length >= 9;
    });
    expect(pauses().slice(0, 9)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    await nodes[0]?.start();
    await until(async () => {
      await time.advance(100);
      return bus.stats().connected;
    });
  });

  test("it can be stopped", async () => {
    const { bus } = await open({ servers: ["nats://127.0.0.1:1"] });
    await bus.stop(ctx);
    expect(bus.stats().connected).toBe(false);
    await bus.start(ctx);
    await bus.stop(ctx);
  });
});

describe("who is let in", () => {
  const entries = async (
    config: string,
    right: (url: string) => NatsBusOptions,
    wrong: (url: string) => NatsBusOptions,
  ) => {
    const [url] = (await servers({ config })).urls as [string];
    const letIn = await open(right(url.replace("nats://", "")));
    expect(letIn).toMatchObject({ problems: [] });
    expect(letIn.bus.stats().connected).toBe(true);
    return await open(wrong(url.replace("nats://", "")));
  };

  test.each([
    ["user and password", `authorization { user: ann, password: "p@ss" }`, "ann:p%40ss@", "ann:wrong@"],
    ["a token", "authorization { token: s3cret }", "s3cret@", "wrong@"],
    ["nothing", "authorization { token: s3cret }", "s3cret@", ""],
  ])("by %s; with the wrong one that is what is told", async (_what, config, right, wrong) => {
    const { bus, problems } = await entries(
      config,
      (host) => ({ servers: [`nats://${right}${host}`] }),
      (host) => ({ servers: [`nats://${wrong}${host}`] }),
    );
    expect(problems.map(({ code }) => code)).toEqual(["bus.not_authorized"]);
    expect(problems[0]?.message).not.toContain("wrong");
    await expect(bus.request(ctx, "a", {})).rejects.toMatchObject({ code: "bus.disconnected" });
  });

  test("by the text of a creds file", async () => {
    const [user, other] = [nkeys.createUser(), nkeys.createUser()];
    const creds = (key: typeof user) => `-----BEGIN NATS USER JWT-----
e30.e30.e30
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${new TextDecoder().decode(key.getSeed())}
------END USER NKEY SEED------
`;
    const { problems } = await entries(
      `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`,
      (host) => ({ servers: [host], creds: creds(user) }),
      (host) => ({ servers: [host], creds: creds(other) }),
    );
    expect(problems.map(({ code }) => code)).toEqual(["bus.not_authorized"]);
  });

  test("over TLS, where the server is who it says, and with a certificate where it asks for one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "viable-nats-tls-"));
    ends.push(() => rm(folder, { recursive: true }));
    const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    await writeFile(certFile, certificate);
    await writeFile(keyFile, certificateKey);
    const { problems } = await entries(
      `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${certFile}", verify: true }`,
      (host) => ({ servers: [`tls://${host}`], tls: { ca: certificate, cert: certificate, key: certificateKey } }),
      (host) => ({ servers: [`tls://${host}`] }),
    );
    expect(problems.map(({ code }) => code)).toEqual(["bus.disconnected"]);
    expect(problems[0]?.cause).toMatchObject({ message: expect.stringMatching(/certificate/) });
  });

  test("what an account is not permitted is told, once for each subject", async () => {
    const { urls } = await servers({
      config: `authorization { users: [ { user: ann, password: p, permissions: { publish: ["viable.p", "viable.m.mine"], subscribe: ["viable.p", "viable.r.>", "viable.m.mine"] } } ] }`,
    });
    const { bus, problems } = await open({ servers: [(urls[0] as string).replace("//", "//ann:p@")] });
    bus.subscribe("others", {}, () => {});
    for (let number = 0; number < 3; number++) bus.publish(ctx, "theirs", {});
    let heard = 0;
    bus.subscribe("mine", {}, () => void heard++);
    bus.publish(ctx, "mine", {});
    await until(() => heard === 1);
    expect(problems.map(({ code, message }) => `${code}: ${message}`).sort()).toEqual([
      "bus.not_permitted: NATS does not permit the publish of viable.m.theirs.",
      "bus.not_permitted: NATS does not permit the subscription of viable.m.others.",
    ]);
  });
});

describe("the end", () => {
  test("waits for answers under way, and takes nothing new", async () => {
    const { urls } = await servers();
    const [one, two] = [(await open({ servers: urls })).bus, (await open({ servers: urls })).bus];
    const gate = Promise.withResolvers<void>();
    const begun: unknown[] = [];
    two.subscribe("a", { maxConcurrent: 1 }, async (_ctx, message) => {
      begun.push(message.number);
      await gate.promise;
      return message;
    });
    two.subscribe("ready", {}, () => true);
    await until(async () => (await one.request(soon(100), "ready", {}).catch(() => false)) === true);

    const first = one.request(ctx, "a", { number: 1 });
    await until(() => begun.length === 1);
    // Waiting when the end comes, or too late for it: nobody answers either.
    const second = expect(one.request(soon(300), "a", { number: 2 })).rejects.toMatchObject({
      code: expect.stringMatching(/^(context.deadline_exceeded|bus.no_responder)$/),
    });
    const stopped = two.stop(ctx);
    gate.resolve();
    expect(await first).toEqual({ number: 1 });
    await stopped;
    await second;
    await expect(one.request(ctx, "a", {})).rejects.toMatchObject({ code: "bus.no_responder" });
    expect(begun).toEqual([1]);
  });

  test("sends what is written, also where the server is slow to read", async () => {
    const { urls, nodes } = await servers();
    const [one, two] = [(await open({ servers: urls })).bus, (await open({ servers: urls })).bus];
    let heard = 0;
    one.subscribe("last", {}, () => void heard++);
    two.subscribe("ready", {}, () => true);
    await until(async () => (await one.request(soon(100), "ready", {}).catch(() => false)) === true);
    nodes[0]?.pause();
    // More than a socket holds.
    const text = "x".repeat(200_000);
    for (let number = 0; number < 100; number++) two.publish(ctx, "last", { text });
    const stopped = two.stop(ctx);
    nodes[0]?.resume();
    await stopped;
    await until(() => heard === 100);
  });

  test("comes by the context's deadline, whoever is still at work", async () => {
    const { urls } = await servers();
    const { bus } = await open({ servers: urls });
    let begun = 0;
    bus.subscribe("a", {}, () => {
      begun += 1;
      return new Promise(() => {});
    });
    const outcome = expect(bus.request(ctx, "a", {})).rejects.toMatchObject({ code: "bus.closed" });
    await until(() => begun === 1);
    await bus.stop(soon(20));
    await outcome;
    expect(bus.stats()).toMatchObject({ connected: false, subscriptions: 0 });
  });
});

// Of nobody, for these tests alone: it is trusted by those that are given it here.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNpBsC4+3fga0LwZ
tMXXaEgQa1V6TIzxvJuAOP6NDF/NDd7aE27VyhG/Fb6je6tYFxPsdW9yf8EmpoFW
HYF2D5ijTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJbG9jYWxob3N0
hwR/AAABMB0GA1UdDgQWBBR9/11LAOAswbSNhStaf5MD/yOtJzAKBggqhkjOPQQD
AgNIADBFAiEAhEKtPO3BKla5VdlAinlNmxRnGpP+9qtxnqr7crPedPwCIGbHNL2R
Ij8Qdz91QADyuk1H/3/IOf89pEdyn0fLoojM
-----END CERTIFICATE-----
`;
const certificateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXmGPB4GFKX+GpYKZ
msUm+hyrwXKddwFWjspztpMmyMOhRANCAATaQbAuPt34GtC8GbTF12hIEGtVekyM
8bybgDj+jQxfzQ3e2hNu1coRvxW+o3urWBcT7HVvcn/BJqaBVh2Bdg+Y
-----END PRIVATE KEY-----
`;
