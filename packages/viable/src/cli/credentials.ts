import type { Command } from "commander";
import { askSecret } from "./ask-secret.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData, renderJson } from "./output.ts";
import type { Shell } from "./shell.ts";

type Options = GatewayOptions & OutputOptions;

/** `viable credentials`: what providers are paid with. None is ever shown. */
export function addCredentials(program: Command, shell: Shell): void {
  const credentials = program
    .command("credentials")
    .description("credentials of providers, which are kept encrypted")
    .addHelpText("after", "\nExample:\n  $ viable credentials list");
  const list = credentials
    .command("list")
    .description("which there are, when they were set and by whom")
    .addHelpText("after", "\nExample:\n  $ viable credentials list --output json");
  addGatewayOptions(list);
  addOutputOption(list).action(async (options: Options) => {
    const { credentials: all } = await connect(shell, options).users.credentials();
    printData(shell, options.output, all, () => renderJson(shell, all));
  });
  const set = credentials
    .command("set <provider>")
    .description("keep one; it is asked for, or is the first line of a pipe")
    .addHelpText("after", "\nExample:\n  $ viable credentials set openai < key.txt");
  addGatewayOptions(set).action(async (provider: string, options: GatewayOptions) => {
    const value = await askSecret(shell, `Credential of ${provider}: `);
    await connect(shell, options).users.setCredential(provider, value);
  });
  const remove = credentials
    .command("remove <provider>")
    .description("forget one")
    .addHelpText("after", "\nExample:\n  $ viable credentials remove openai");
  addGatewayOptions(remove).action(async (provider: string, options: GatewayOptions) => {
    await connect(shell, options).users.removeCredential(provider);
  });
}
