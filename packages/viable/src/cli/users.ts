import type { JsonObject } from "@viable/kernel";
import type { Command } from "commander";
import { askSecret } from "./ask-secret.ts";
import { printOutcome } from "./exec.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect, connectTo } from "./gateway.ts";
import { lookUp } from "./look-up.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, renderJson } from "./output.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { toWholeNumber } from "./whole-number.ts";

type Options = GatewayOptions & OutputOptions;

/** `viable user`: who may log in, and as what. */
export function addUsers(program: Command, shell: Shell): void {
  const users = program
    .command("user")
    .description("who may log in, and as what")
    .addHelpText("after", "\nExample:\n  $ viable user create anna operator && viable user invite anna");
  const verb = (usage: string, description: string, example: string): Command => {
    const command = users.command(usage).description(description);
    addGatewayOptions(command).addHelpText("after", `\nExample:\n  $ viable user ${example}`);
    return addOutputOption(command);
  };
  const print = (options: Options, data: object) =>
    printData(shell, options.output, data, () => renderJson(shell, data as JsonObject));
  const order = async (options: Options, command: string, args: JsonObject) =>
    printOutcome(shell, options, await runCommand(shell, connect(shell, options), { command, args }));

  verb("list", "the tenant's users, a thousand at most", "list --output json").action(async (options: Options) => {
    const page = await connect(shell, options).users.list();
    print(options, page.users);
    if (page.next !== undefined) shell.err.write("There are more than these.\n");
  });
  verb("create <user> <roles...>", "make a user (the command user.create)", "create anna operator").action(
    (user: string, roles: string[], options: Options) => order(options, "user.create", { user, roles }),
  );
  verb("invite <user>", "a token that the person sets a password with, once", "invite anna").action(
    async (user: string, options: Options) =>
      print(options, await lookUp(connect(shell, options).users.invite(user), "user list")),
  );
  verb(
    "password <user>",
    "set a password by a new invitation; it is asked for, or is the first line of a pipe",
    "password anna",
  ).action(async (user: string, options: Options) => {
    const client = connect(shell, options);
    const password = await askSecret(shell, `New password of ${user}: `);
    const { token } = await lookUp(client.users.invite(user), "user list");
    await connectTo(shell, { url: client.url, token }).users.setPassword(user, password);
  });
  verb(
    "disable <user>",
    "end all that opens anything in a user's name (the command user.disable)",
    "disable anna",
  ).action((user: string, options: Options) => order(options, "user.disable", { user }));
  verb("enable <user>", "let a user log in again (the command user.enable)", "enable anna").action(
    (user: string, options: Options) => order(options, "user.enable", { user }),
  );
  verb("roles <user> <roles...>", "give a user other roles (the command user.roles)", "roles anna viewer").action(
    (user: string, roles: string[], options: Options) => order(options, "user.roles", { user, roles }),
  );
  verb("keys <user>", "a user's keys that hold", "keys builder").action(async (user: string, options: Options) =>
    print(options, (await lookUp(connect(shell, options).users.keys(user), "user list")).keys),
  );
  verb("create-key <user> <label>", "a key for a service; it is shown once", "create-key builder ci --days 30")
    .option("--days <count>", "how long it holds, at most 365", "90")
    .option("--role <name>", "which of the user's roles it acts in; else the first")
    .action(async (user: string, label: string, options: Options & { days: string; role?: string }) => {
      const { days, role } = options;
      const expiresInDays = toWholeNumber("--days", days, 1, 365);
      const key = { label, expiresInDays, ...(role !== undefined && { role }) };
      print(options, await lookUp(connect(shell, options).users.createKey(user, key), "user list"));
    });
  verb(
    "revoke-key <user> <key>",
    "end a key by its id (the command user.revoke_key)",
    "revoke-key builder cap_…",
  ).action((user: string, keyId: string, options: Options) => order(options, "user.revoke_key", { user, keyId }));
}
