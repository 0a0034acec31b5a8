import { styleText } from "node:util";
import type { Screen } from "./shell.ts";

export type Paint = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** The text in a colour where the screen shows colours, and as it is where not. */
export function paint(screen: Pick<Screen, "colour">, style: Paint, text: string): string {
  return screen.colour ? styleText(style, text, { validateStream: false }) : text;
}
