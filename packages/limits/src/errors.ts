import { ViableError } from "@viable/kernel";

/** `limits.invalid_setting`: a limit was described with a number that cannot be one. */
export const invalidSetting = (name: string, value: number, must: string): ViableError =>
  new ViableError("limits.invalid_setting", `${name} is ${value}, but it must be ${must}.`, {
    next: `Set ${name} to a number that is ${must}.`,
    details: { name, value: String(value) },
  });

/** `limits.invalid_amount`: somebody asked for an amount that is not one. A negative amount would fill a bucket up. */
export const invalidAmount = (amount: number): ViableError =>
  new ViableError("limits.invalid_amount", `Cannot take ${amount}: an amount is a positive, finite number.`, {
    next: "Ask for 1 or more.",
  });
