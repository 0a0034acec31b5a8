const redacted = "[redacted]";
/** What Node calls to print something (`util.inspect.custom`). By its name, so that the types of this room need none of Node's. */
const inspectCustom: unique symbol = Symbol.for("nodejs.util.inspect.custom");

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

  [inspectCustom](): string {
    return redacted;
  }
}
