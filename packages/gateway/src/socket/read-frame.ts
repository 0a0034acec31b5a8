import { jsonDepth, maxJsonDepth } from "@viable/kernel";
import type { ClientFrame } from "@viable/protocol";
import { clientFrame, toFieldProblems } from "@viable/protocol";
import type { ProblemParts } from "../problems.ts";

export type FrameReading =
  | { readonly ok: true; readonly frame: ClientFrame }
  /** With the frame's id, where it has one that can be answered by. */
  | { readonly ok: false; readonly id: string | undefined; readonly problem: ProblemParts };

const maxIdChars = 200;
const knownTypes: readonly string[] = clientFrame.options.map(({ shape }) => shape.type.value);

/** What a client's message says, or why it says nothing. */
export function readFrame(text: string): FrameReading {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return malformed("The message is not JSON.");
  }
  if (jsonDepth(body) > maxJsonDepth) return malformed(`The message is nested deeper than ${maxJsonDepth} levels.`);
  const parsed = clientFrame.safeParse(body);
  if (parsed.success) return { ok: true, frame: parsed.data };
  const id = memberOf(body, "id");
  const type = memberOf(body, "type");
  if (type !== undefined && !knownTypes.includes(type)) {
    return {
      ok: false,
      id,
      problem: {
        status: 422,
        code: "gateway.unknown_frame",
        detail: `There is no such frame; there are ${knownTypes.join(", ")}.`,
      },
    };
  }
  const errors = toFieldProblems(parsed.error, "frame");
  return {
    ok: false,
    id,
    problem: {
      status: 422,
      code: "gateway.invalid_frame",
      detail: "The message is not a frame.",
      errors,
      reasons: errors.map(({ path, reason }) => `${path}: ${reason}`),
    },
  };
}

const malformed = (detail: string): FrameReading => ({
  ok: false,
  id: undefined,
  problem: { status: 400, code: "gateway.malformed_frame", detail },
});

function memberOf(body: unknown, name: string): string | undefined {
  if (typeof body !== "object" || body === null || !Object.hasOwn(body, name)) return undefined;
  const member = (body as Record<string, unknown>)[name];
  return typeof member === "string" && member.length > 0 && member.length <= maxIdChars ? member : undefined;
}
