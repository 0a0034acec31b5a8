/** What is written for spreadsheets and people does nothing there but stand. */
import type { EventView, ExecutionView } from "@viable/protocol";
import { expect, test } from "vitest";
import { renderCsv, renderJson, renderMarkdown } from "./render-export.ts";
import type { ExportedSession } from "./session-export.ts";

async function* all<T>(items: readonly T[]): AsyncGenerator<T, void, void> {
  yield* items;
}
const event = (over: Partial<EventView>): EventView => ({
  id: "evt_1",
  type: "execution.accepted",
  stream: "execution:exe_1",
  version: 1,
  position: "1",
  time: "2026-01-01T00:00:00.000Z",
  tenant: "default",
  actor: "owner",
  data: {},
  ...over,
});
const exported = (
  events: readonly EventView[],
  executions: readonly Partial<ExecutionView>[] = [],
): ExportedSession => ({
  session: {
    sessionId: "ses_1",
    clientType: "web",
    purpose: "<b>|\n# hello",
    principal: "owner",
    status: "active",
    capabilities: { operations: [], commandsPerHour: 1 },
    createdAt: "2026-01-01T00:00:00.000Z",
    expiresAt: "2026-01-01T12:00:00.000Z",
  },
  executions: () => all(executions as ExecutionView[]),
  events: () => all(events),
});
const textOf = async (chunks: AsyncIterable<string>): Promise<string> => {
  let text = "";
  for await (const chunk of chunks) text += chunk;
  return text;
};

test.each(["=cmd()", "+1", "-1", "@x", "\tx"])("in CSV %j is no formula", async (actor) => {
  const text = await textOf(renderCsv(exported([event({ actor })])));
  expect(text.split("\r\n")[1]).toContain(`"'${actor}"`);
});

test("in CSV quotes, commas and lines within a cell stay within it", async () => {
  const data = { text: 'say "x",\r\nthen' };
  const text = await textOf(renderCsv(exported([event({ data })])));
  expect(text.split("\r\n").filter((row) => row !== "")).toHaveLength(2);
  expect(text).toContain(JSON.stringify(data).replaceAll('"', '""'));
});

test("in Markdown nothing that somebody wrote is a mark, a line or HTML of its own", async () => {
  const text = await textOf(
    renderMarkdown(
      exported(
        [event({ data: { text: "`<script>`\n- x" } })],
        [{ executionId: "exe_1", command: "a|b", status: "failed", startedAt: "2026-01-01T00:00:00.000Z" }],
      ),
    ),
  );
  expect(text).not.toMatch(/<script>|<b>|^# hello|^- x/m);
  expect(text).toContain("| exe_1 | a\\|b | failed |");
});

test("in JSON nothing at all is an object with empty lists", async () => {
  expect(JSON.parse(await textOf(renderJson(exported([]))))).toMatchObject({ executions: [], events: [] });
});
