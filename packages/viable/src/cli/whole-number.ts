import { wrongUsage } from "./exit-status.ts";

/** The whole number that an option gives. Throws `cli.usage`, naming the option and the range. */
export function toWholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max)
    throw wrongUsage(`${option}: "${text}" is not a whole number from ${min} to ${max}.`);
  return value;
}
