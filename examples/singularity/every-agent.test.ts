/**
 * No agent without proof that its output follows its input: the agents of the config and the `followsInput` tests beside them are
 * the same list. Where agents have the shape the reference system gives them is held here, too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import singularity from "./viable.config.ts";

const home = import.meta.dirname;
const { services } = singularity;

/** The names of the agents that the tests of a service prove, as written in `followsInput(NAME, …`. */
function provedAgents(folder: string): string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".test.ts"));
  return files.flatMap((file) => {
    const text = readFileSync(join(folder, file), "utf8");
    return [...text.matchAll(/^followsInput\(\s*(\w+),/gm)].map(([, name]) => toKebabCase(name as string));
  });
}

const toKebabCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

test("thirteen services, each with a swarm of three to nine agents, on ports of their own", () => {
  expect(services.map(({ name }) => name).sort()).toEqual([
    "ai",
    "architecture",
    "business",
    "core",
    "execution",
    "hex",
    "infra",
    "interface",
    "ml",
    "security",
    "storage",
    "swarm",
    "tools",
  ]);
  for (const { name, agents } of services) {
    expect(agents.length, name).toBeGreaterThanOrEqual(3);
    expect(agents.length, name).toBeLessThanOrEqual(9);
  }
  const agents = services.reduce((sum, service) => sum + service.agents.length, 0);
  expect(agents).toBeGreaterThanOrEqual(39);
  expect(agents).toBeLessThanOrEqual(65);
  expect(new Set(services.map(({ port }) => port)).size).toBe(services.length);
});

describe.each(services.map((service) => [service.name, service] as const))("%s", (name, service) => {
  const folder = join(home, "services", name, "agents");

  test("each agent's output is proved to follow its input", () => {
    expect(provedAgents(folder).sort()).toEqual(service.agents.map((agent) => agent.name).sort());
  });

  test("each agent is a file of its name, and the service has a page", () => {
    const files = readdirSync(folder).filter((file) => !file.endsWith(".test.ts") && file.endsWith(".ts"));
    expect(files.map((file) => file.slice(0, -".ts".length)).sort()).toEqual(
      service.agents.map((agent) => agent.name).sort(),
    );
    const page = readFileSync(join(home, "services", name, "README.md"), "utf8");
    for (const { capability } of service.agents) expect(page).toContain(`\`${capability}\``);
    expect(page).toContain("npx viable exec ");
  });
});
