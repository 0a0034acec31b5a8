import type { JsonValue } from "viable";

/** A command as it is typed into a shell. Every value is one word of it, whatever it holds. */
export function writeCommand(capability: string, args: { readonly [name: string]: JsonValue }): string {
  const words = Object.entries(args).map(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const text = typeof value === "string" ? value : JSON.stringify(value);
    // A value that begins with dashes would be taken for the next name.
    return text.startsWith("--") ? quote(`${flag}=${text}`) : `${quote(flag)} ${quote(text)}`;
  });
  return ["viable exec", quote(capability), ...words].join(" ");
}

const quote = (text: string): string =>
  /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
