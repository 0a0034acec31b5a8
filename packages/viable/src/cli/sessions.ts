import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { SessionView } from "@viable/protocol";
import { exportFormat } from "@viable/protocol";
import type { Command } from "commander";
import { Option } from "commander";
import { formatDuration } from "./format-duration.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect, connectTo } from "./gateway.ts";
import { lookUp } from "./look-up.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import type { Shell } from "./shell.ts";
import { renderTable } from "./table.ts";
import { toDuration } from "./to-duration.ts";
import { toWholeNumber } from "./whole-number.ts";

type Options = GatewayOptions & OutputOptions;

interface ShareOptions extends Options {
  readonly maxOperations?: string;
  readonly expiresIn: string;
  readonly readOnly?: boolean;
  readonly label?: string;
}

interface ExportOptions extends GatewayOptions {
  readonly format: (typeof exportFormat.options)[number];
  readonly file?: string;
}

/** `viable sessions`: who is connected, letting others in, and what a session holds. */
export function addSessions(program: Command, shell: Shell): void {
  const sessions = program
    .command("sessions")
    .description("who is connected, letting others in, and what a session holds")
    .addHelpText("after", "\nExample:\n  $ viable sessions list");

  const list = sessions
    .command("list")
    .description("the sessions that there are, the latest first")
    .option("--limit <count>", "how many, at most 500", "50")
    .addHelpText("after", "\nExample:\n  $ viable sessions list --limit 10");
  addGatewayOptions(list);
  addOutputOption(list).action(async ({ limit, ...options }: Options & { limit: string }) => {
    const all = await connect(shell, options).sessions({ limit: toWholeNumber("--limit", limit, 1, 500) });
    printData(shell, options.output, all, () => renderSessions(shell, all.sessions));
  });

  const show = sessions
    .command("show <session>")
    .description("one session")
    .addHelpText("after", "\nExample:\n  $ viable sessions show ses_01jd8q5k3v7x2m9c4h6t8w0y1z");
  addGatewayOptions(show);
  addOutputOption(show).action(async (sessionId: string, options: Options) => {
    const session = await lookUp(connect(shell, options).session(sessionId), "sessions list");
    printData(shell, options.output, session, () => renderSessions(shell, [session]) + renderPresent(shell, session));
  });

  const end = sessions
    .command("end <session>")
    .description("end one: its token is worth nothing from then on, and what it began goes on")
    .addHelpText("after", "\nExample:\n  $ viable sessions end ses_01jd8q5k3v7x2m9c4h6t8w0y1z");
  addGatewayOptions(end);
  addOutputOption(end).action(async (sessionId: string, options: Options) => {
    const session = await lookUp(connect(shell, options).endSession(sessionId), "sessions list");
    printData(shell, options.output, session, () => renderSessions(shell, [session]));
  });

  const suspend = sessions
    .command("suspend <session>")
    .description("keep anything new from being begun in one; what it began goes on, and is followed")
    .option("--reason <text>", "why, for whoever uses it")
    .addHelpText("after", "\nExample:\n  $ viable sessions suspend ses_01jd8q5k3v7x2m9c4h6t8w0y1z --reason lunch");
  addGatewayOptions(suspend);
  addOutputOption(suspend).action(async (sessionId: string, { reason, ...options }: Options & { reason?: string }) => {
    const session = await connect(shell, options).suspendSession(sessionId, reason === undefined ? {} : { reason });
    printData(shell, options.output, session, () => renderSessions(shell, [session]));
  });

  const resume = sessions
    .command("resume <session>")
    .description("let one that is suspended go on")
    .addHelpText("after", "\nExample:\n  $ viable sessions resume ses_01jd8q5k3v7x2m9c4h6t8w0y1z");
  addGatewayOptions(resume);
  addOutputOption(resume).action(async (sessionId: string, options: Options) => {
    const session = await connect(shell, options).resumeSession(sessionId);
    printData(shell, options.output, session, () => renderSessions(shell, [session]));
  });

  const share = sessions
    .command("share <session>")
    .description("let another client in: prints a token, once, that opens this session and cannot be handed on in part")
    .option("--max-operations <count>", "as many commands and queries in all")
    .option("--expires-in <duration>", "how long it holds: 90s, 30min, 12h, at most 24h", "1h")
    .option("--read-only", "to see and not to do")
    .option("--label <text>", "who it is for")
    .addHelpText(
      "after",
      "\nExample:\n  $ viable sessions share ses_01jd8q5k3v7x2m9c4h6t8w0y1z --read-only --label ada",
    );
  addGatewayOptions(share);
  addOutputOption(share).action(async (sessionId: string, options: ShareOptions) => {
    const shared = await connect(shell, options).share(sessionId, {
      expiresInMs: toDuration("--expires-in", options.expiresIn),
      readOnly: options.readOnly === true,
      ...(options.label !== undefined && { label: options.label }),
      ...(options.maxOperations !== undefined && {
        maxOperations: toWholeNumber("--max-operations", options.maxOperations, 1, 1_000_000),
      }),
    });
    printData(shell, options.output, shared, () => {
      shell.err.write(`${shared.capabilityId}, until ${shared.expiresAt}. It is not shown again.\n`);
      return `${shared.token}\n`;
    });
  });

  const join = sessions
    .command("join <token>")
    .description("join the session that a token is a share of, and tell its other clients")
    .addHelpText("after", "\nExample:\n  $ viable sessions join vbc1.eyJpc3N1ZXIi…");
  addGatewayOptions(join);
  addOutputOption(join).action(async (token: string, options: Options) => {
    const { url } = connect(shell, options);
    const joined = await connectTo(shell, { url, token }).join();
    printData(shell, options.output, joined, () =>
      renderTable(
        shell.out,
        ["SESSION", "MAY", "UNTIL"],
        [[joined.sessionId, joined.operations.join(", "), joined.expiresAt]],
      ),
    );
  });

  const take = sessions
    .command("export <session>")
    .description("all that a session holds up to now, as one text on stdout or in a file")
    .addOption(new Option("--format <format>", "how it is written").choices(exportFormat.options).default("json"))
    .option("--file <file>", "write it there; refused where something is there already")
    .addHelpText(
      "after",
      "\nExample:\n  $ viable sessions export ses_01jd8q5k3v7x2m9c4h6t8w0y1z --format markdown --file session.md",
    );
  addGatewayOptions(take).action(async (sessionId: string, { format, file, ...options }: ExportOptions) => {
    const client = connect(shell, options);
    const { exportId } = await client.requestExport(sessionId, format);
    const text = await client.readExport(exportId);
    if (file === undefined) {
      for await (const chunk of text) shell.out.write(chunk);
      return;
    }
    await pipeline(Readable.fromWeb(text as never), createWriteStream(resolve(shell.cwd, file), { flags: "wx" }));
    shell.err.write(`${file} holds ${sessionId}.\n`);
  });
}

function renderSessions(shell: Shell, sessions: readonly SessionView[]): string {
  const nowMs = shell.runtime.clock.now();
  return renderTable(
    shell.out,
    ["SESSION", "STATUS", "CLIENT", "PRINCIPAL", "OPENED", "UNTIL", "PURPOSE"],
    sessions.map(({ sessionId, status, clientType, principal, createdAt, endedAt, expiresAt, purpose = "" }) => [
      sessionId,
      status,
      clientType,
      principal,
      `${formatDuration(nowMs - Date.parse(createdAt))} ago`,
      endedAt ?? expiresAt,
      purpose,
    ]),
  );
}

/** Who follows it now. */
function renderPresent(shell: Shell, { present }: SessionView): string {
  if (present === undefined || present.count === 0) return "";
  const nowMs = shell.runtime.clock.now();
  const rows = present.clients.map(({ clientType, principal, via, since }) => [
    clientType,
    principal,
    via,
    `${formatDuration(nowMs - Date.parse(since))} ago`,
  ]);
  return `\n${renderTable(shell.out, ["FOLLOWED BY", "PRINCIPAL", "OVER", "SINCE"], rows)}`;
}
