/** A conversation with the reference system: what a person writes becomes a command, proposed or run, and the next turn knows of the last. */
import { expect, test } from "vitest";
import { interfaceService } from "./services/interface/index.ts";
import { tools } from "./services/tools/index.ts";
import { plantTree } from "./testing/plant-tree.ts";
import { startServices } from "./testing/start-services.ts";

// A developer's own keys must not make this test ask a model.
for (const name of ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_COMPATIBLE_URL"]) delete process.env[name];

test("a message that names a command has it done; the next refers to it", async () => {
  await using running = await startServices([interfaceService, tools]);
  await using first = await plantTree({ "a.ts": "one\ntwo\n" });
  await using second = await plantTree({ "a.ts": "one\n" });
  const say = async (message: string, more: object = {}) => {
    const answer = await running.run("chat", { message, run: true, ...more } as never);
    expect(answer, JSON.stringify(answer)).toMatchObject({ status: "completed" });
    return answer.result as { conversation: string };
  };
  const one = await say(`code_analysis.sizes ${first.path}`);
  const counted = (lines: number) => ({ status: "completed", result: { lines } });
  expect(one).toMatchObject({ isRun: true, capability: "code_analysis.sizes", outcome: counted(2), turns: 1 });
  const { conversation } = one;
  const two = await say(`and ${second.path}?`, { conversation });
  expect(two).toMatchObject({ conversation, capability: "code_analysis.sizes", outcome: counted(1), turns: 2 });
});
