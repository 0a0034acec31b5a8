import { GatewayProblem } from "@viable/client";
import type { Command } from "commander";
import { readClientSettings } from "../settings.ts";
import { askSecret } from "./ask-secret.ts";
import { wrongUsage } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import { keptLogIns } from "./kept-log-ins.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, renderJson } from "./output.ts";
import type { Shell } from "./shell.ts";

type Options = GatewayOptions & OutputOptions;

/** `viable login` and `viable logout`: a token for a user and a password, kept for the gateway that gave it. */
export function addLogIn(program: Command, shell: Shell): void {
  const kept = () => keptLogIns(readClientSettings(shell.environment).logInsFile);

  const logIn = program
    .command("login [user]")
    .description("log in with a password, which is asked for, or is the first line of a pipe")
    .option("--role <name>", "which of your roles to act in; else the first")
    .addHelpText("after", "\nExample:\n  $ viable login anna --url https://viable.example.com");
  addGatewayOptions(logIn);
  addOutputOption(logIn).action(
    async (named: string | undefined, { role, ...options }: Options & { role?: string }) => {
      const user = named ?? shell.environment.USER;
      if (user === undefined) throw wrongUsage("Who logs in?", "Name the user: viable login anna.");
      const client = connect(shell, options);
      const password = await askSecret(shell, `Password of ${user}: `);
      const { token, ...answer } = await client.users.logIn({ user, password, ...(role !== undefined && { role }) });
      kept().write(client.url, { token, user, expiresAt: answer.expiresAt });
      printData(shell, options.output, answer, () => renderJson(shell, answer));
    },
  );

  const logOut = program
    .command("logout")
    .description("end the log-in at this gateway, here and everywhere")
    .addHelpText("after", "\nExample:\n  $ viable logout");
  addGatewayOptions(logOut).action(async (options: GatewayOptions) => {
    const client = connect(shell, options);
    if (kept().read(client.url, shell.runtime.clock.now()) === undefined)
      throw wrongUsage(`Nobody is logged in at ${client.url} here.`, "Log in with: viable login.");
    await client.users.logOut().catch((error: unknown) => {
      // What opens nothing any more needs no end.
      if (!(error instanceof GatewayProblem) || error.problem.status !== 401) throw error;
    });
    kept().remove(client.url);
  });
}
