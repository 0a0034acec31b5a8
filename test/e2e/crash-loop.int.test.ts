/**
 * An agent that throws where nobody can catch it takes its process with it, as any code does that shares a thread. Whoever runs the system starts
 * it again, as here: each life goes on with what the last one left, until the task has had its attempts, and then the system stays up. In a
 * thread the same agent takes its thread with it and nothing else.
 */
import { expect, test } from "vitest";
import { Place } from "./cli.ts";

const config = `
import { agent, defineSystem, service, threadAgent } from "viable";
import { z } from "zod";

const input = z.strictObject({});
const as = (name: string) => ({ name, capability: name, description: "Throws or answers.", input, maxAttempts: 2 });
const never = (message: string) =>
  new Promise<never>(() => {
    setTimeout(() => {
      throw new Error(message);
    }, 1);
  });

const bomb = agent({ ...as("bomb"), handle: (ctx) => never(\`Nobody catches attempt \${ctx.attempt}.\`) });
export const contained = threadAgent({
  ...as("contained"),
  module: import.meta.url,
  handle: () => never("Nobody catches this either."),
});
const calm = agent({ ...as("calm"), handle: () => "calm" });

export default defineSystem({
  name: "crash-loop",
  services: [service({ name: "lab", description: "Tries things.", port: 0, agents: [bomb, contained, calm] })],
});
`;

interface Listed {
  readonly executions: readonly { readonly executionId: string; readonly command: string }[];
}

test("an agent that ends its process each time is given up after its attempts, and the process after that stays up", {
  timeout: 180_000,
}, async () => {
  await using place = new Place(config);
  const first = await place.start();
  // Whether that is answered before the end, chance decides.
  await place.run("exec", "bomb", "--async");
  const ends = [await first.finished, await place.begin("start").finished];
  for (const [index, { status, err }] of ends.entries()) {
    expect(status).not.toBe(0);
    expect(err).toContain(`Nobody catches attempt ${index + 1}.`);
  }
  const last = await place.start();
  const { executions } = await place.json<Listed>("executions", "list");
  const { executionId = "" } = executions.find(({ command }) => command === "bomb") ?? {};
  await place.run("executions", "watch", executionId);
  expect(await place.json("executions", "show", executionId)).toMatchObject({
    status: "failed",
    error: { code: "swarm.attempts_exhausted" },
  });
  expect((await place.run("exec", "contained")).status).toBe(1);
  expect((await place.run("exec", "calm")).out).toContain("calm");
  last.signal("SIGTERM");
  expect((await last.finished).status).toBe(0);
});
