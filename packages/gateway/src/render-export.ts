import type { EventView } from "@viable/protocol";
import type { ExportedSession } from "./session-export.ts";

/** One object: `session`, `executions`, `events`. */
export async function* renderJson({
  session,
  executions,
  events,
}: ExportedSession): AsyncGenerator<string, void, void> {
  yield `{"session":${JSON.stringify(session)},"executions":[`;
  yield* joined(executions());
  yield '],"events":[';
  yield* joined(events());
  yield "]}\n";
}

async function* joined(items: AsyncIterable<unknown>): AsyncGenerator<string, void, void> {
  let isFirst = true;
  for await (const item of items) {
    yield `${isFirst ? "" : ",\n"}${JSON.stringify(item)}`;
    isFirst = false;
  }
}

const columns = ["position", "time", "type", "stream", "version", "actor", "data"] as const;

/** The events, one a row, by RFC 4180; their data as JSON. */
export async function* renderCsv({ events }: ExportedSession): AsyncGenerator<string, void, void> {
  yield `${columns.join(",")}\r\n`;
  for await (const event of events()) yield `${columns.map((name) => toCell(event[name])).join(",")}\r\n`;
}

/** Quoted, and where a spreadsheet would take it for a formula, with an apostrophe before it. */
function toCell(value: EventView[keyof EventView]): string {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** For people: the session, a table of its executions, and its events, a line each. */
export async function* renderMarkdown({
  session,
  executions,
  events,
}: ExportedSession): AsyncGenerator<string, void, void> {
  const { sessionId, purpose, clientType, principal, status, createdAt } = session;
  yield `# Session ${sessionId}\n\n${purpose === undefined ? "" : `${toLine(purpose)}\n\n`}`;
  yield `A ${clientType} session of ${toLine(principal)}, opened ${createdAt}, ${status}.\n\n`;
  yield "## Executions\n\n| execution | command | status | began |\n|---|---|---|---|\n";
  for await (const { executionId, command, status: stands, startedAt } of executions())
    yield `| ${executionId} | ${toLine(command)} | ${stands} | ${startedAt} |\n`;
  yield "\n## Events\n\n";
  for await (const { time, type, stream, data } of events())
    yield `- ${time} **${toLine(type)}** ${toLine(stream)}: \`${toLine(JSON.stringify(data)).replaceAll("`", "'")}\`\n`;
}

/** In one line, in which nothing is taken for a mark of the table or for HTML. */
const toLine = (text: string): string => text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").replaceAll("<", "&lt;");
