import { inspect } from "node:util";

const redacted = "[redacted]";

/** Text that shows nowhere by itself: whoever prints, logs, joins or serialises it writes `[redacted]`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for whoever sends it where it belongs. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  [inspect.custom](): string {
    return redacted;
  }
}
