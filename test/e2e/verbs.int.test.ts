// What each verb prints, and the exit status it ends with: the real command against one real system on the embedded database.
import { readFileSync } from "node:fs";
import type { CloudEvent, EventPage, ExecutionPage, ExecutionView, HealthView, SwarmView } from "@viable/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { eventually, Place, type Running } from "./cli.ts";

const place = new Place();
let system: Running;

beforeAll(async () => {
  system = await place.start();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
});

const executions = async (): Promise<ExecutionView[]> =>
  (await place.json<ExecutionPage>("executions", "list", "--limit", "500")).executions;
const accept = async (...words: string[]): Promise<string> =>
  (await place.json<{ executionId: string }>("exec", ...words, "--async")).executionId;

describe("capability", () => {
  const withToken = async (token: string, ...words: string[]) => {
    place.environment.VIABLE_TOKEN = token;
    try {
      return await place.run(...words);
    } finally {
      delete place.environment.VIABLE_TOKEN;
    }
  };

  test("mints a token for one command, which does that one alone, until it is revoked", async () => {
    const words = ["--resource", "command/text.words", "--resource", "view/**", "--expires-in", "1h", "--label", "ci"];
    const minted = await place.json<{ token: string; capabilityId: string }>("capability", "mint", ...words);
    const counts = ["exec", "text.words", "--text", "a b"];
    expect(JSON.parse((await withToken(minted.token, ...counts)).out)).toEqual({ words: 2, loud: false });
    const refused = await withToken(minted.token, "exec", "break");
    expect(refused.status).toBe(3);
    expect(refused.err).toContain("command/text.words");
    const list = await place.run("capability", "list", "--output", "table");
    expect(list.out).toMatch(new RegExp(`${minted.capabilityId} +active +owner +ci `));
    const revoked = await place.json("capability", "revoke", minted.token, "--reason", "a test");
    expect(revoked).toMatchObject({ status: "revoked", capabilityId: minted.capabilityId, reason: "a test" });
    expect(await withToken(minted.token, ...counts)).toMatchObject({ status: 3 });
  });

  test("narrows a token without asking anybody, and tells what one says", async () => {
    const words = ["capability", "attenuate", "--operations", "read", "--daily", "00:00-00:00@Europe/Berlin"];
    const narrowed = await place.run(...words, "--output", "table");
    expect(narrowed.status).toBe(0);
    expect(narrowed.err).toMatch(/^cap_\w{26}\n$/);
    const token = narrowed.out.trim();
    expect((await withToken(token, "health")).status).toBe(0);
    expect((await withToken(token, "exec", "text.words", "--text", "a")).status).toBe(3);
    const told = await place.run("capability", "inspect", token, "--output", "table");
    expect(told.out).toContain(narrowed.err.trim());
    expect(told.out).toMatch(/owner in default +nothing\n/);
    expect(told.out).toContain('operations ["read"]');
    // Of what was narrowed here nobody knows, until it is revoked: by its id and its end, and not by its text.
    expect((await place.json<{ capabilities: object[] }>("capability", "list")).capabilities).toHaveLength(1);
    expect(await place.json("capability", "revoke", token)).toMatchObject({ status: "revoked" });
    expect((await withToken(token, "status")).status).toBe(3);
  });

  test.each([
    [["mint", "--expires-in", "soon"], "--expires-in"],
    [["mint", "--resource", "command/*/x"], "resources[0]"],
    [["mint", "--operations", "fly"], "operations[0]"],
    [["mint", "--daily", "25:00-26:00"], "daily.from"],
    [["attenuate", "--max-uses", "0"], "--max-uses"],
    [["inspect", "nonsense"], "no capability"],
    [["revoke", "nonsense"], "no capability"],
  ])("ends with 2 and the place for %j", async (words, place_) => {
    const done = await place.run("capability", ...words);
    expect(done).toMatchObject({ status: 2, out: "" });
    expect(done.err).toContain(place_);
  });
});

describe("sessions", () => {
  test("lists them, lets another in by a token, exports what one holds, and ends it", async () => {
    const executionId = await accept("text.words", "--text", "a b c");
    const { sessions } = await place.json<{ sessions: { sessionId: string; purpose: string }[] }>("sessions", "list");
    const ended = sessions.find(({ purpose }) => purpose === "viable exec text.words")?.sessionId ?? "";
    const csv = await place.run("sessions", "export", ended, "--format", "csv");
    expect(csv.out.split("\r\n")[0]).toBe("position,time,type,stream,version,actor,data");
    expect(csv.out).toContain(executionId);
    const toFile = ["sessions", "export", ended, "--format", "markdown", "--file", "session.md"];
    expect((await place.run(...toFile)).status).toBe(0);
    expect(readFileSync(place.path("session.md"), "utf8")).toContain(`# Session ${ended}`);
    // What is there already is not overwritten.
    expect((await place.run(...toFile)).status).toBe(1);
    const gateway = JSON.parse(readFileSync(place.path(".viable", "gateway.json"), "utf8")) as { url: string };
    const { token } = JSON.parse(readFileSync(place.path(".viable", "credentials.json"), "utf8")) as { token: string };
    const opened = await fetch(`${gateway.url}/v1/sessions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: '{"clientType":"web","purpose":"shared"}',
    });
    const { sessionId } = (await opened.json()) as { sessionId: string };
    const share = await place.json<{ token: string }>("sessions", "share", sessionId, "--read-only", "--label", "ada");
    expect(await place.json("sessions", "join", share.token)).toMatchObject({ sessionId, operations: ["read"] });
    expect((await place.run("sessions", "join", "vbc1.nonsense")).status).toBe(3);
    expect(await place.json("sessions", "end", sessionId)).toMatchObject({ status: "ended" });
    expect((await place.run("sessions", "share", sessionId)).status).toBe(1);
    expect((await place.run("sessions", "show", sessionId, "--output", "table")).out).toContain("ended");
  });
});

describe("exec", () => {
  test("prints the result alone on stdout and the way there on stderr", async () => {
    const done = await place.run("exec", "report", "--text", "one two three");
    expect(done.status).toBe(0);
    expect(JSON.parse(done.out)).toEqual({ counted: { words: 3, loud: false }, slept: true });
    expect(done.err).toContain("report on desk: running");
    expect(done.err).toMatch(/report on desk: completed after/);
    // Not a terminal: nothing is coloured and nothing is drawn anew.
    expect(done.out + done.err).not.toContain("\u001b");
  });

  test("makes numbers and flags of words, as the command's schema says", async () => {
    const words = ["exec", "text.words", "--text", "7", "--max-words=4", "--loud"];
    expect(await place.json(...words)).toEqual({ words: 1, maxWords: 4, loud: true });
  });

  test("takes all arguments as JSON, and prints yaml and tables when asked", async () => {
    const words = ["exec", "text.words", "--json", '{"text": "a b"}'];
    expect(parseYaml((await place.run(...words, "--output", "yaml")).out)).toEqual({ words: 2, loud: false });
    expect((await place.run(...words, "--output", "table")).out).toBe("words  2\nloud   false\n");
  });

  test("ask prints a query's answer, records nothing, and says what there is where it is misspelt", async () => {
    const before = (await executions()).length;
    expect(await place.json("ask", "text.longest", "--text", "a few words")).toEqual({ word: "words" });
    expect(await place.json("ask", "text.longest", "--json", '{"text": "a bc"}')).toEqual({ word: "bc" });
    const misspelt = await place.run("ask", "text.longst");
    expect(misspelt.status).toBe(2);
    expect(misspelt.err).toContain('no query "text.longst". Did you mean text.longest?');
    const missing = await place.run("ask", "text.longest");
    expect(missing.status).toBe(2);
    expect(missing.err).toContain("args.text: expected string, received undefined");
    expect((await executions()).length).toBe(before);
  });

  test("takes a relative path from where it is called", async () => {
    expect(await place.json("exec", "folder.tell", "--path", "inner/one")).toEqual({ path: place.path("inner/one") });
  });

  test("ends with 1 and the reason when the work fails", async () => {
    const done = await place.run("exec", "break");
    expect(done).toMatchObject({ status: 1, out: "" });
    expect(done.err).toContain("error: it broke, as it should");
  });

  test("ends with 1 when the time it was given is over", async () => {
    const done = await place.run("exec", "sleep", "--ms", "60000", "--timeout", "0.5");
    expect(done).toMatchObject({ status: 1, out: "" });
    expect(done.err).toContain("execution.timed_out");
  });

  test("ends with 2 for an unknown command, with the nearest", async () => {
    const done = await place.run("exec", "text.wrods");
    expect(done).toMatchObject({ status: 2, out: "" });
    expect(done.err).toContain('no command "text.wrods". Did you mean text.words?');
  });

  test("ends with 2 for arguments that do not fit, with path and reason, and nothing is executed", async () => {
    const before = (await executions()).length;
    const unknown = await place.run("exec", "text.words", "--txt", "x");
    expect(unknown.status).toBe(2);
    expect(unknown.err).toContain('no argument "txt". Did you mean --text?');
    const missing = await place.run("exec", "text.words");
    expect(missing.status).toBe(2);
    expect(missing.err).toContain("args.text: expected string, received undefined");
    expect((await place.run("exec", "sleep", "--ms", "soon")).err).toContain('"soon" is not of type integer');
    expect((await place.run("exec", "sleep", "--json", "[]")).status).toBe(2);
    expect((await place.run("exec", "sleep", "--ms", "1", "--timeout", "never")).status).toBe(2);
    expect((await executions()).length).toBe(before);
  });

  test("Ctrl-C cancels the execution, ends its session and ends with 130", async () => {
    const exec = place.begin("exec", "sleep", "--ms", "60000");
    await exec.saw("sleep on desk: running");
    exec.signal("SIGINT");
    const done = await exec.finished;
    expect(done).toMatchObject({ status: 130, out: "" });
    expect(done.err).toMatch(/exe_\w+ was cancelled/);
    const id = /exe_\w+/.exec(done.err)?.[0] ?? "";
    const view = await place.json<ExecutionView>("executions", "show", id);
    expect(view.status).toBe("cancelled");
    const { events } = await place.json<EventPage>("events", "--session", view.sessionId ?? "", "--after", "0");
    expect(events.at(-1)?.type).toBe("session.ended");
  });

  test("when nobody reads its progress any more it is interrupted: the execution is cancelled, 130", async () => {
    const exec = place.begin("exec", "sleep", "--ms", "20000");
    await exec.saw("sleep on desk: running");
    const id = (await executions()).find(({ command, status }) => command === "sleep" && status === "running");
    exec.stopReading();
    expect((await exec.finished).status).toBe(130);
    const view = await place.json<ExecutionView>("executions", "show", id?.executionId ?? "");
    expect(view.status).toBe("cancelled");
  });

  test("with --detach-on-interrupt Ctrl-C leaves the execution to itself", async () => {
    const exec = place.begin("exec", "sleep", "--ms", "1500", "--detach-on-interrupt");
    await exec.saw("sleep on desk: running");
    exec.signal("SIGINT");
    const done = await exec.finished;
    expect(done).toMatchObject({ status: 130, out: "" });
    const id = /exe_\w+/.exec(done.err)?.[0] ?? "";
    const watched = await place.run("executions", "watch", id);
    expect(watched.status).toBe(0);
    expect(JSON.parse(watched.out)).toEqual({ slept: 1500 });
  });
});

describe("executions", () => {
  test("are listed newest first, and shown with arguments and result", async () => {
    const id = await accept("text.words", "--text", "for the list");
    const [newest] = await executions();
    expect(newest?.executionId).toBe(id);
    await eventually(
      async () => (await place.json<ExecutionView>("executions", "show", id)).status === "completed",
      () => "It did not complete.",
    );
    const shown = await place.run("executions", "show", id);
    expect(shown.out).toContain('args           {"text":"for the list"}');
    expect((await place.run("executions", "list", "--limit", "2")).out.trim().split("\n")).toHaveLength(3);
  });

  test("are cancelled once, and that is said", async () => {
    const id = await accept("sleep", "--ms", "60000");
    expect((await place.run("executions", "cancel", id)).out).toBe(`${id} cancelled\n`);
    const watched = await place.run("executions", "watch", id);
    expect(watched).toMatchObject({ status: 1, out: "" });
    expect(watched.err).toContain("Cancelled by owner");
    const ended = await accept("text.words", "--text", "x");
    await place.run("executions", "watch", ended);
    expect((await place.run("executions", "cancel", ended)).status).toBe(1);
  });

  test("are replayed, event by event, to where they stand", async () => {
    const id = await accept("text.words", "--text", "one two");
    await place.run("executions", "watch", id);
    const steps = await place.json<{ event: { type: string }; state: { status: string } }[]>(
      "executions",
      "replay",
      id,
    );
    expect(steps.map(({ event, state }) => [event.type, state.status])).toEqual([
      ["execution.accepted", "running"],
      ["execution.completed", "completed"],
    ]);
    const shown = await place.run("executions", "replay", id, "--until", "1");
    expect(shown).toMatchObject({ status: 0, err: "" });
    expect(shown.out).toContain("  + status running\n");
    expect(shown.out).not.toContain("execution.completed");
    expect((await place.run("executions", "replay", id, "--until", "soon")).status).toBe(2);
  });

  test("that are not there end with 1, and a limit that is no number with 2", async () => {
    expect((await place.run("executions", "show", "exe_nothing")).status).toBe(1);
    expect((await place.run("executions", "list", "--limit", "many")).status).toBe(2);
  });
});

test("swarms are listed, shown, scaled and restarted", async () => {
  const { swarms } = await place.json<{ swarms: SwarmView[] }>("swarms", "list");
  expect(swarms.map((swarm) => swarm.service).sort()).toEqual(["desk", "system", "text"]);
  expect(await place.json("swarms", "scale", "text", "5")).toMatchObject({
    service: "text",
    swarms: [{ service: "text", before: 3, workers: 5 }],
  });
  expect((await place.json<SwarmView>("swarms", "show", "text")).measurement.workers).toBe(5);
  expect((await place.run("swarms", "restart", "text", "queen")).status).toBe(0);
  await eventually(
    async () => {
      const { parts } = await place.json<SwarmView>("swarms", "show", "text");
      return parts.some((part) => part.id === "queen" && part.restarts === 1 && part.state === "running");
    },
    () => "The queen was not started again.",
  );
  expect((await place.run("swarms", "show", "nowhere")).status).toBe(1);
  const unknown = await place.run("swarms", "scale", "nowhere", "2");
  expect(unknown.status).toBe(1);
  expect(unknown.err).toContain("There are desk, system, text.");
});

test("the registry says who offers what, and explains where an execution went and what it delegated", async () => {
  expect((await place.run("registry", "discover", "text.words")).out).toContain("text ");
  const none = await place.run("registry", "discover", "slep");
  expect(none).toMatchObject({ status: 1, out: "" });
  expect(none.err).toContain("Did you mean sleep?");
  const fitting = await place.run("registry", "discover", "text.words", "--version", "0.0.0");
  expect(fitting).toMatchObject({ status: 0, out: expect.stringContaining("text ") });
  const unfit = await place.run("registry", "discover", "text.words", "--version", "^2", "--tag", "gpu", "eu");
  expect(unfit).toMatchObject({ status: 1, out: "", err: 'No swarm offers "text.words" and is as you asked for.\n' });
  expect((await place.run("registry", "discover", "text.words", "--tenant", "acme")).err).toContain("that tenant");
  expect(await place.run("registry", "dead-letters")).toMatchObject({ status: 0, out: "None.\n" });

  const id = await accept("report", "--text", "why");
  await place.run("executions", "watch", id);
  const explained = await place.json("registry", "explain", id);
  expect(explained).toMatchObject({
    command: "report",
    status: "completed",
    route: { policy: "least-loaded", reason: "the only swarm that offers it", chosen: { service: "desk" } },
    authority: { principal: "owner", clientType: "cli" },
    claims: [{ attempt: 1 }],
    outcome: { type: "completed" },
    children: [{ command: "text.words" }, { command: "sleep" }],
  });
  const text = (await place.run("registry", "explain", id)).out;
  for (const part of ["because", "Candidates", "Claims", "Outcome", "Delegated"]) expect(text).toContain(part);
});

test("memory is set, read, listed and watched", async () => {
  expect(await place.json("memory", "set", "paint/a", '{"colour": "blue"}')).toMatchObject({ version: 1 });
  expect(await place.json("memory", "get", "paint/a")).toEqual({ colour: "blue" });
  const conflict = await place.run("memory", "set", "paint/a", "red", "--expected", "7");
  expect(conflict.status).toBe(1);
  expect(conflict.err).toContain("is at version 1, not 7");
  expect((await place.run("memory", "get", "paint/none")).status).toBe(1);
  expect(await place.json("memory", "list", "--prefix", "paint/")).toMatchObject([{ key: "paint/a", version: 1 }]);

  const watch = place.begin("memory", "watch", "--prefix", "paint/", "--output", "json");
  await watch.saw("Looking every 1 s");
  // Its first look is what it compares with; how long that takes, it does not say, so write until it has seen one.
  let value = 0;
  await eventually(
    async () => {
      await place.run("memory", "set", "paint/b", String(++value));
      return watch.out() !== "";
    },
    () => "No change was printed.",
  );
  watch.signal("SIGINT");
  const done = await watch.finished;
  expect(done.status).toBe(130);
  expect(JSON.parse(done.out.split("\n")[0] ?? "")).toMatchObject({ change: "written", key: "paint/b" });
});

test("events are read, filtered and followed, one JSON line each, none missed and none twice", async () => {
  const page = await place.json<EventPage>("events", "--type", "execution.comp*,session.created", "--limit", "5");
  expect(page.events).toHaveLength(5);
  for (const event of page.events) expect(["execution.completed", "session.created"]).toContain(event.type);

  const follow = place.begin("events", "--follow", "--type", "execution.*", "--after", page.next, "--output", "json");
  const id = await accept("report", "--text", "followed");
  await eventually(
    () => follow.out().includes("execution.completed") && follow.out().split("execution.completed").length > 3,
    () => follow.out(),
  );
  follow.signal("SIGTERM");
  const done = await follow.finished;
  expect(done.status).toBe(130);
  const lines = done.out.trim().split("\n");
  const seen = lines.map((line) => JSON.parse(line) as EventPage["events"][number]);
  const ofOne = seen.filter((event) => event.correlationId === id && event.type !== "execution.progressed");
  expect(ofOne.filter((event) => event.type === "execution.accepted")).toHaveLength(3);
  expect(new Set(seen.map((event) => event.position)).size).toBe(seen.length);
  expect((await place.run("events", "--after", "no position")).status).toBe(2);
});

test("events are printed as CloudEvents, one a line, also as they come", async () => {
  const done = await place.run("events", "--after", "0", "--limit", "5", "--format", "cloudevents");
  expect(done).toMatchObject({ status: 0, err: "" });
  const events = done.out.trimEnd().split("\n");
  expect(events).toHaveLength(5);
  for (const event of events)
    expect(JSON.parse(event)).toMatchObject({ specversion: "1.0", source: "/systems/workshop" });
  expect((await place.run("events", "--format", "cloudevents", "--output", "yaml")).status).toBe(2);

  const follow = place.begin("events", "--follow", "--type", "execution.*", "--format", "cloudevents");
  const id = await accept("text.words", "--text", "told");
  await follow.saw(`"subject":"execution:${id}"`, 2);
  follow.signal("SIGINT");
  const { status, out } = await follow.finished;
  expect(status).toBe(130);
  const told = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as CloudEvent);
  expect(told.filter(({ subject }) => subject === `execution:${id}`).map(({ type }) => type)).toEqual([
    "execution.accepted",
    "execution.completed",
  ]);
});

test("whoever has seen enough of a verb that only prints may leave: 0", async () => {
  const follow = place.begin("events", "--follow", "--after", "0", "--output", "json");
  await follow.saw("execution.accepted");
  follow.stopReading();
  await accept("text.words", "--text", "unread");
  expect((await follow.finished).status).toBe(0);
});

test("health, status, doctor and config say how things are", async () => {
  const health = await place.json<HealthView>("health");
  expect(health).toMatchObject({ status: "ok", system: "workshop", durability: "process-crash" });
  expect(await place.json("status")).toMatchObject({ health: { status: "ok" }, openExecutions: [] });
  expect((await place.run("status")).out).toContain("No open executions");
  const doctor = await place.run("doctor");
  expect(doctor.status).toBe(0);
  expect(doctor.out).not.toMatch(/^(warn|fail)/m);
  expect(doctor.out).toContain(`open in the running system (process ${system.pid})`);
  expect(await place.json("config", "check")).toMatchObject({ ok: true, system: "workshop", services: 2, agents: 5 });
  expect((await place.run("config", "show")).out).toContain("VIABLE_SERVICE_PORTS");
});

describe("who is refused", () => {
  test("a wrong token and none at all: 3, and health answers all the same", async () => {
    place.environment.VIABLE_TOKEN = "not-a-token";
    try {
      const done = await place.run("status");
      expect(done).toMatchObject({ status: 3, out: "" });
      expect(done.err).toContain("gateway.unauthenticated");
      expect((await place.run("exec", "break")).status).toBe(3);
      expect((await place.run("health")).status).toBe(0);
      expect((await place.run("doctor")).status).toBe(1);
    } finally {
      delete place.environment.VIABLE_TOKEN;
    }
    await using stranger = new Place();
    const url = (JSON.parse(readFileSync(place.path(".viable/gateway.json"), "utf8")) as { url: string }).url;
    expect((await stranger.run("status", "--url", url)).status).toBe(3);
    expect((await stranger.run("health", "--url", url)).status).toBe(0);
  });

  test("a session's own token opens no session", async () => {
    const url = (JSON.parse(readFileSync(place.path(".viable/gateway.json"), "utf8")) as { url: string }).url;
    const { token } = JSON.parse(readFileSync(place.path(".viable/credentials.json"), "utf8")) as { token: string };
    const opened = await fetch(`${url}/v1/sessions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ clientType: "web" }),
    });
    place.environment.VIABLE_TOKEN = ((await opened.json()) as { token: string }).token;
    try {
      const done = await place.run("exec", "break");
      expect(done.status).toBe(3);
      expect(done.err).toContain("gateway.session_token");
    } finally {
      delete place.environment.VIABLE_TOKEN;
    }
  });
});

test("nobody at the address: 4; something else there: 4; no address: 2", async () => {
  expect((await place.run("health", "--url", "http://127.0.0.1:9")).status).toBe(4);
  expect((await place.run("health", "--url", "somewhere")).status).toBe(2);
  await using elsewhere = new Place();
  const absent = await elsewhere.run("health");
  expect(absent).toMatchObject({ status: 4, out: "" });
  expect(absent.err).toContain("not running");
  elsewhere.environment.VIABLE_STATE_DIR = "";
  expect((await elsewhere.run("health", "--config", elsewhere.path("none.config.ts"))).status).toBe(4);
});
