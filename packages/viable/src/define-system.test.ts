import type { AgentDefinition } from "@viable/swarm";
import { agent, service } from "@viable/swarm";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineSystem } from "./define-system.ts";

const doer = (parts: Partial<Parameters<typeof agent>[0]> = {}): AgentDefinition =>
  agent({
    name: "doer",
    capability: "do",
    description: "Does.",
    input: z.strictObject({}),
    handle: () => null,
    ...parts,
  });
const serviceNamed = (name: string, port = 0, agents = [doer()]) =>
  service({ name, description: "Serves.", port, agents });

describe("a system", () => {
  test("has defaults, and is data that does not change", () => {
    const system = defineSystem({ name: "s", services: [serviceNamed("a")] });
    expect(system).toMatchObject({
      gateway: { host: "127.0.0.1", port: 4100 },
      limits: { maxOpenExecutions: 10_000, drainMs: 20_000, leaseMs: 4_000, sockets: 4_000 },
      clients: {
        cli: { commandsPerHour: 1_000 },
        web: { maxConcurrent: 10, operations: ["read", "write"] },
        api: { commandsPerHour: 10_000 },
      },
    });
    expect(Object.isFrozen(system)).toBe(true);
  });

  test("holds its routing rules as they were checked", () => {
    const { routing } = defineSystem({
      name: "s",
      services: [serviceNamed("a")],
      routing: [{ name: "near", policy: "local-first" }],
    });
    expect(routing).toMatchObject([{ name: "near", capabilities: ["do"], policy: "local-first" }]);
    expect(Object.isFrozen(routing)).toBe(true);
  });

  test("replaces a client type's authority member by member", () => {
    const { clients } = defineSystem({ name: "s", services: [], clients: { web: { commandsPerHour: 7 } } });
    expect(clients.web).toEqual({ operations: ["read", "write"], commandsPerHour: 7, maxConcurrent: 10 });
  });

  test.each<[string, () => unknown, string]>([
    [
      "two services on one port",
      () => defineSystem({ name: "s", services: [serviceNamed("hex", 4001), serviceNamed("architecture", 4001)] }),
      'services.architecture.port: port 4001 is given to both "hex" and "architecture".',
    ],
    [
      "an agent that offers a command which every system has",
      () => defineSystem({ name: "s", services: [serviceNamed("a", 0, [doer({ capability: "help" })])] }),
      'agent.doer.capability: "help" is a command that every system has; give yours another name.',
    ],
    [
      "a service on the gateway's port",
      () => defineSystem({ name: "s", services: [serviceNamed("a", 4100)] }),
      'services.a.port: port 4100 is given to both the gateway and "a".',
    ],
    [
      "a service twice",
      () => defineSystem({ name: "s", services: [serviceNamed("a"), serviceNamed("a")] }),
      'services.a: the service "a" is given twice.',
    ],
    [
      "a service named as the built-in swarm",
      () => defineSystem({ name: "s", services: [serviceNamed("system")] }),
      '"system" is the name of the built-in swarm',
    ],
    [
      "what is no service",
      () => defineSystem({ name: "s", services: [{} as never] }),
      "services.0: must be made by service({...})",
    ],
    [
      "a member nobody knows",
      () => defineSystem({ name: "s", services: [], colour: "red" } as never),
      'Unrecognized key: "colour"',
    ],
    ["a port out of range", () => defineSystem({ name: "s", services: [], gateway: { port: 70_000 } }), "gateway.port"],
    [
      "a routing rule for what nobody offers",
      () =>
        defineSystem({
          name: "s",
          services: [serviceNamed("a")],
          routing: [{ name: "r", when: { capability: "help" }, to: { service: "a" } }],
        }),
      'routing.0.when.capability: no service of the config offers "help".',
    ],
    ["rules that are no list", () => defineSystem({ name: "s", services: [], routing: {} as never }), "routing:"],
    ["a name with capitals", () => defineSystem({ name: "S", services: [] }), "name: must be lower case words"],
    [
      "agents that promise the same capability differently",
      () =>
        defineSystem({ name: "s", services: [serviceNamed("a"), serviceNamed("b", 0, [doer({ joinable: true })])] }),
      'both offer "do" but differ',
    ],
  ])("with %s is refused, and the reason names the place", (_what, define, reason) => {
    expect(define).toThrow(
      expect.objectContaining({ code: "config.invalid", message: expect.stringContaining(reason) }),
    );
  });
});

describe("an agent or a service", () => {
  test.each<[string, () => unknown, string]>([
    ["an agent's name", () => doer({ name: "Doer" }), 'agent "Doer": name must be lower case'],
    ["a capability", () => doer({ capability: "Do It" }), '"Do It" must look like'],
    ["a timeout", () => doer({ timeoutMs: 0 }), "timeoutMs must be more than 0"],
    ["a time to remember results for", () => doer({ joinable: true, rememberMs: 0 }), "rememberMs must be more than 0"],
    [
      "results that are remembered of tasks that are not joined",
      () => doer({ rememberMs: 1_000 }),
      "rememberMs needs joinable",
    ],
    ["a number of attempts", () => doer({ maxAttempts: 1.5 }), "maxAttempts must be a whole number"],
    ["a port", () => serviceNamed("a", -1), "port must be a whole number from 0 to 65535"],
    ["no agents", () => serviceNamed("a", 0, []), "agents must name at least one"],
    ["two agents of one name", () => serviceNamed("a", 0, [doer(), doer()]), 'agents names "doer" twice'],
    [
      "no workers",
      () => service({ name: "a", description: "", port: 0, agents: [doer()], workers: 0 }),
      "workers must be a whole number from 1",
    ],
    [
      "a version",
      () => service({ name: "a", description: "", port: 0, agents: [doer()], version: "1.4" }),
      'service "a": version must be a version such as 1.4.0',
    ],
    [
      "a tag",
      () => service({ name: "a", description: "", port: 0, agents: [doer()], tags: ["gpu", "a, b"] }),
      'service "a": tags.1 must be lower case words',
    ],
    [
      "no delegations",
      () => service({ name: "a", description: "", port: 0, agents: [doer()], maxConcurrentDelegations: 0 }),
      "maxConcurrentDelegations must be a whole number from 1 to 10000",
    ],
  ])("with %s that does not fit is refused", (_what, define, reason) => {
    expect(define).toThrow(
      expect.objectContaining({ code: "config.invalid", message: expect.stringContaining(reason) }),
    );
  });
});
